import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { bankNames, openingCents } from './bank.ts'
import { readStore } from './books.ts'
import type { Program } from './program.ts'
import type { System } from './system.ts'
import type { Watch } from './watch.ts'

/** Once faults have stopped everything is settled within this: longer than any pause between two inquiries of a participant. */
export const settleTimeoutMs = 120_000
const pollMs = 200
const patientMs = 15_000 // for the answer of a database on a machine that is busy with other things

/** Sees the system get on again, and lets all transactions come to their end; returns what had not within the bound, or is wrong. */
export async function settle(system: System, watch: Watch): Promise<readonly string[]> {
  const endsAtMs = performance.now() + settleTimeoutMs
  const left = (): number => Math.max(1, endsAtMs - performance.now())
  const starting = Promise.all(system.programs.map((program) => program.start()))
  await Promise.race([starting, pause(left(), undefined, { ref: false })])
  const down = system.programs.filter(({ serves }) => !serves)
  if (down.length > 0) return down.map(({ name }) => `${name} does not serve again`)
  if (!(await getsOn(system, watch, left))) return ['everything serves, and yet transfers and audits do not get on']
  const asking: readonly Program[] = [...system.clients, ...system.auditors]
  const obeyed = await Promise.all(asking.map((program) => program.stop(left())))
  const late = asking.filter((_, place) => !obeyed[place])
  if (late.length > 0) return late.map(({ name }) => `${name} was not told the outcome of all that it began`)
  for (;;) {
    const open = await whatIsOpen(system)
    if (open.length === 0) return []
    if (left() <= 1) return open
    await pause(pollMs)
  }
}

/** Whether, once nothing is broken, transfers are committed and the total can be read. */
async function getsOn(system: System, watch: Watch, left: () => number): Promise<boolean> {
  watch.poll()
  const { committed, audited } = watch
  while (watch.committed === committed || (system.auditors.length > 0 && watch.audited === audited)) {
    if (left() <= 1) return false
    await pause(pollMs)
    watch.poll()
  }
  return true
}

async function whatIsOpen(system: System): Promise<readonly string[]> {
  const open: string[] = []
  const leader = await system.leader()
  if (leader === undefined) open.push('nobody leads')
  else {
    const { unsettled, underway, hazardous } = leader.status
    if (unsettled + underway + hazardous > 0)
      open.push(`the leader waits: ${unsettled} unsettled, ${underway} under way, ${hazardous} with hazards`)
  }
  for (const database of system.databases) {
    const sessions = `select 'open: ' || query as gid from pg_stat_activity where state like 'idle in transaction%'`
    const rows = await database
      .query(`select gid from pg_prepared_xacts union all ${sessions}`, patientMs)
      .catch(() => [{ gid: 'it does not answer' }])
    open.push(...rows.map(({ gid }) => `the database of ${database.name}: ${String(gid)}`))
  }
  const { prepared } = await readStore('vault', system.vaultFolder, 0, 0)
  return [...open, ...prepared.map((id) => `vault: ${id}`)]
}

/** Runs the audit as a program of its own, which shares no code with what it audits. */
export async function auditIndependently(
  system: System,
  accounts: number,
): Promise<{ readonly balanced: boolean; readonly text: string }> {
  const places = bankNames.map((name) => {
    const database = system.databases.find((one) => one.name === name)
    return `${name}=${database?.ourUrl ?? system.vaultFolder}`
  })
  const args = [
    '--ledgers',
    system.folder,
    '--accounts',
    String(accounts),
    '--opening',
    String(openingCents),
    ...places,
  ]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'audit.ts'), ...args], {
      maxBuffer: 64 * 1024 * 1024,
    })
    return { balanced: true, text: stdout }
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string }
    return { balanced: false, text: `${stdout}${stderr}` }
  }
}
