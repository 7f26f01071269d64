/** Breaks everything that can break, at random, while money moves: `npm run chaos -- --help`. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { natsProgram } from '../../infra/nats.ts'
import { postgresPrograms } from '../../infra/postgres.ts'
import { hindrances } from './faults.ts'
import { oneMachine, separateHosts } from './hosts.ts'
import { faultKinds, planFaults, weights } from './plan.ts'
import { report, unexplainedFalls } from './report.ts'
import { enterSandbox } from './sandbox.ts'
import { auditIndependently, settle, settleTimeoutMs } from './settling.ts'
import { Strikes, seconds } from './strikes.ts'
import { System } from './system.ts'
import { Watch } from './watch.ts'

const usage = `npm run chaos -- [--minutes 10] [--seed N] [--keep]

Three hosts with three coordinators, two PostgreSQL servers, five instances of three participants, three NATS servers and three clients, that
move money between accounts, while processes and servers are killed and paused, disks filled and the network cut, at random. An auditor reads
the total all the while. In the end everything must be settled, and an independent audit compares what the stores hold with what the clients
were told. Exit code 1 if anything is wrong; logs, ledgers and data then stay where the last line says.

  --minutes N  how long faults strike
  --seed N     the plan of the faults; the same number gives the same plan
  --keep       keeps logs, ledgers and data also when all is well
`

const progressEveryMs = 10_000
const load = { lanes: 4, accounts: 24, ownAccounts: false, keepEvery: 8, paceMs: 300 } as const

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(usage)
else {
  for (const provide of [natsProgram, postgresPrograms]) provide() // they may be fetched, which the sandbox has no network for
  process.exitCode = await main(Number(values.minutes) * 60_000, Number(values.seed))
}

async function main(durationMs: number, seed: number): Promise<number> {
  const { hindrance } = enterSandbox()
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  console.log(`Chaos for ${durationMs / 60_000} minutes from seed ${seed}. Starting everything …`)
  const network = hindrance === undefined ? separateHosts() : oneMachine()
  const startingMs = Date.now()
  const system = await System.start({
    network,
    clients: 3,
    load,
    withSecondInstances: true,
    withAuditor: true,
    withSmallDisks: true,
  })
  console.log(`Everything serves after ${seconds(Date.now() - startingMs).trim()}.`)
  let sound = false
  try {
    const missing = hindrances(system, hindrance)
    for (const [kind, why] of missing) console.log(`Not done here: ${kind}, since ${why}.`)
    const kinds = faultKinds.filter((kind) => !missing.has(kind))
    console.log(`Faults by weight: ${kinds.map((kind) => `${kind} ${weights[kind]}`).join(', ')}.`)
    sound = await run(system, planFaults(seed, durationMs, kinds), interrupted.signal)
    return sound ? 0 : 1
  } finally {
    const isKept = values.keep || !sound
    if (isKept) await keep(system)
    await system[Symbol.asyncDispose]()
    if (isKept) console.log(`Logs, ledgers and data: ${system.folder}`)
    else system.remove()
  }
}

async function run(system: System, plan: ReturnType<typeof planFaults>, signal: AbortSignal): Promise<boolean> {
  const startedMs = Date.now()
  const say = (text: string): void => {
    console.log(text)
    appendFileSync(join(system.folder, 'journal.txt'), `${text}\n`)
  }
  const watch = new Watch(system.ledgerFiles)
  const strikes = new Strikes(system, watch, say)
  const progress = setInterval(() => {
    watch.poll()
    say(`${seconds(Date.now() - startedMs)}  ${stand(watch)}`)
  }, progressEveryMs)
  await strikes.run(plan, signal)
  const faultsOverMs = Date.now()
  say(
    `${seconds(faultsOverMs - startedMs)}  faults are over; everything is to be settled within ${settleTimeoutMs / 1_000} s`,
  )
  const open = await settle(system, watch)
  clearInterval(progress)
  watch.poll()
  say(`${seconds(Date.now() - startedMs)}  ${open.length === 0 ? 'settled' : `NOT SETTLED: ${open.join('; ')}`}`)
  const falls = unexplainedFalls(system.programs, strikes.done)
  for (const { name, how } of falls) say(`ENDED BY ITSELF: ${name}, with ${how}; see its log`)
  await Promise.all(system.participants.map((program) => program.stop()))
  say(report({ watch, strikes: strikes.done, startedMs, faultsOverMs }))
  say('The independent audit:')
  const { balanced, text } = await auditIndependently(system, load.accounts)
  say(text.trimEnd())
  const sound = balanced && open.length === 0 && falls.length === 0
  say(sound ? 'CHAOS SURVIVED.' : 'CHAOS FOUND SOMETHING.')
  return sound
}

function stand({ committed, aborted, doubts, open, audited, audits }: Watch): string {
  return `${committed} committed, ${aborted} aborted, ${doubts} times in doubt, ${open.size} in flight; ${audited} of ${audits.length} audits`
}

/** Stops what writes, so that what is copied is whole. */
async function keep(system: System): Promise<void> {
  await Promise.all([...system.participants, ...system.replicas].map((program) => program.kill()))
  await Promise.all(system.databases.map((database) => database.kill()))
  system.keep()
}
