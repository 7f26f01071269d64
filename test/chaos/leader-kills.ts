import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { oneMachine } from './hosts.ts'
import { auditIndependently, settle } from './settling.ts'
import { System } from './system.ts'
import { Watch } from './watch.ts'

/** What the clients saw of leaders that died under them. */
export interface Seen {
  readonly kills: number
  /** Transfers in flight when a leader was killed, added up. */
  readonly inFlight: number
  readonly committed: number
  readonly aborted: number
  /** Why, and whether it was in flight when a leader was killed. */
  readonly aborts: readonly string[]
  /** Answers "in doubt": a client had to ask again by itself. */
  readonly doubts: number
  /** Operations that ran more than once for one transfer, or ran and belong to none. */
  readonly executedAgain: number
  /** The longest time without a commit around each kill, in milliseconds. */
  readonly pausesMs: readonly number[]
  readonly open: readonly string[]
  readonly balanced: boolean
  readonly audit: string
  /** Nothing was aborted, in doubt, executed again or left open, and the audit found nothing. */
  readonly isFlawless: boolean
}

/** Every lane has accounts of its own, so that nothing but the death of a leader can be in its way. */
const load = { lanes: 8, accounts: 24, ownAccounts: true, keepEvery: 0, paceMs: 20 } as const
const clients = 3
/** Between one kill and the next, once all are back. */
const settleMs = 300
const progressBetweenKills = 20
const pollMs = 10
const patienceMs = 60_000

/** Kills the leader so often, as `kill -9` does, while clients move money; the killed one comes back each time. */
export async function killLeaders(kills: number, onKill: (kill: number, pauseMs: number) => void): Promise<Seen> {
  const system = await System.start({
    network: oneMachine(),
    clients,
    load,
    // An operation of a one-shot may run again at another instance, without effect: here it can be counted that none did.
    withSecondInstances: false,
    withAuditor: false,
    withSmallDisks: false,
  })
  let isFlawless = false
  try {
    const watch = new Watch(system.ledgerFiles)
    const pausesMs: number[] = []
    const struck = new Set<string>()
    let inFlight = 0
    for (let kill = 1; kill <= kills; kill += 1) {
      await moreCommitted(watch)
      await pause(settleMs * Math.random())
      const leader = await until('somebody leads', () => system.leader())
      watch.poll()
      inFlight += watch.open.size
      for (const transfer of watch.open.keys()) struck.add(transfer)
      const fromMs = Date.now()
      await leader.program.kill()
      await until('another one leads', async () => {
        const next = await system.leader()
        return next !== undefined && next.status.term > leader.status.term
      })
      await moreCommitted(watch)
      const pauseMs = watch.longestPauseMs(fromMs, Date.now())
      pausesMs.push(pauseMs)
      onKill(kill, pauseMs)
      await leader.program.start()
    }
    const open = await settle(system, watch)
    watch.poll()
    const { committed, aborted, doubts } = watch
    const aborts = watch.abortNotes.map(({ transfer, note, atMs }) => {
      const where = struck.has(transfer) ? 'in flight at a kill' : 'not in flight at any kill'
      return `${new Date(atMs).toISOString()} ${where}: ${note}`
    })
    const { balanced, text } = await auditIndependently(system, load.accounts)
    const seen = { kills, inFlight, committed, aborted, aborts, doubts, pausesMs, open, balanced }
    const again = executedAgain(system.folder, watch)
    isFlawless = aborted + doubts + open.length + again === 0 && balanced
    return { ...seen, executedAgain: again, audit: text, isFlawless }
  } finally {
    await system[Symbol.asyncDispose]()
    if (isFlawless) system.remove()
    else console.log(`Logs, ledgers and data: ${system.folder}`)
  }
}

/** Each transfer has two branches of one call each. */
function executedAgain(folder: string, watch: Watch): number {
  const executions = new Map<string, number>()
  for (const file of globSync(join(folder, '*.executions'))) {
    for (const transfer of readFileSync(file, 'utf8').split('\n').filter(Boolean))
      executions.set(transfer, (executions.get(transfer) ?? 0) + 1)
  }
  return [...executions].filter(([transfer, times]) => times !== 2 || !watch.outcomes.has(transfer)).length
}

async function moreCommitted(watch: Watch): Promise<void> {
  watch.poll()
  const target = watch.committed + progressBetweenKills
  await until('transfers are committed', async () => {
    watch.poll()
    return watch.committed >= target
  })
}

async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (const endMs = performance.now() + patienceMs; performance.now() < endMs; await pause(pollMs)) {
    const found = await look()
    if (found !== undefined && found !== false) return found
  }
  throw new Error(`Not seen within ${patienceMs / 1_000} s: ${what}.`)
}
