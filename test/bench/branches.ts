/**
 * What many branches, and many transactions in doubt, cost a leader: one replica on a disk, in one process with participants that only
 * vote and acknowledge. `npm run bench:branches -- --help`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Coordinator, groupIdOf, makeManifest, startCoordinator } from '@verdict/coordinator'
import type { GroupId, ParticipantName } from '@verdict/protocol'
import { initLmdbStore, openLmdbStore, type ReplicaId } from '@verdict/raft'
import { systemClock, systemRandom } from '@verdict/runtime'
import { median } from './median.ts'
import { participantsNamed, Voters } from './voters.ts'

const usage = `npm run bench:branches -- [--unsettled 200000] [--transactions 200] [--manner silent]

Commits transactions of 2, 8, 32 and 128 branches, one at a time, and prints the median time and CPU of each; then leaves so many
committed and not acknowledged by one participant, which is silent or gone, and prints what the leader costs the others meanwhile,
what the next leader does to begin with, and how the participant is told when it is back.
`

const { values } = parseArgs({
  options: {
    unsettled: { type: 'string', default: '200000' },
    transactions: { type: 'string', default: '200' },
    manner: { type: 'string', default: 'silent' },
    help: { type: 'boolean', default: false },
  },
})

const sizes = [2, 8, 32, 128] as const
const replica = 'n1' as ReplicaId
const inFlight = 256

/** One replica that leads, with participants around it. */
class Scene implements AsyncDisposable {
  readonly voters = new Voters()
  readonly group: GroupId
  readonly #folder = mkdtempSync(join(tmpdir(), 'verdict-branches-'))
  readonly #manifest = makeManifest('main', [replica], systemRandom)
  #coordinator: Coordinator | undefined

  constructor() {
    this.group = groupIdOf(this.#manifest)
  }

  async init(): Promise<void> {
    await initLmdbStore(this.#identity)
  }

  /** Starts the replica, and waits until it leads. */
  async lead(): Promise<void> {
    const world = { clock: systemClock, random: systemRandom, bus: this.voters }
    const store = await openLmdbStore(this.#identity)
    this.#coordinator = await startCoordinator({ manifest: this.#manifest, replica, store, world, version: 'bench' })
    while (!this.voters.isLed(this.group)) await pause(1)
  }

  async stop(): Promise<void> {
    await this.#coordinator?.stop()
  }

  get coordinator(): Coordinator {
    if (this.#coordinator === undefined) throw new Error('The replica has not started.')
    return this.#coordinator
  }

  /** Commits so many transactions, `width` at a time; gives the times of each in milliseconds. */
  async commit(participants: readonly ParticipantName[], count: number, width: number): Promise<readonly number[]> {
    const { epoch } = await this.voters.meet(this.group)
    const times: number[] = []
    const one = async (): Promise<void> => {
      while (times.length < count) {
        const beganMs = performance.now()
        const place = times.push(0) - 1
        await this.voters.commit(this.group, epoch, participants)
        times[place] = performance.now() - beganMs
      }
    }
    await Promise.all(Array.from({ length: width }, one))
    return times
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #identity() {
    const path = join(this.#folder, 'store')
    return { path, group: this.group, replica, members: this.#manifest.replicas }
  }
}

if (values.help) process.stdout.write(usage)
else {
  await using scene = new Scene()
  await scene.init()
  await scene.lead()
  await measureSizes(scene, Number(values.transactions))
  await measureDoubts(scene, Number(values.unsettled))
}

async function measureSizes(scene: Scene, count: number): Promise<void> {
  const all = participantsNamed('p', Math.max(...sizes))
  await scene.commit(all, 50, 1)
  for (const size of sizes) {
    const [cpu, readingMs] = [process.cpuUsage(), scene.voters.readingMs]
    const times = await scene.commit(all.slice(0, size), count, 1)
    const usedMs = (cpuMs(cpu) - (scene.voters.readingMs - readingMs)) / count
    const [perBranch, took] = [usedMs / size, median(times)].map((ms) => ms.toFixed(3))
    console.log(
      `${size} branches: ${took} ms, CPU of all but the participants ${usedMs.toFixed(2)} ms, ${perBranch} ms a branch`,
    )
  }
}

async function measureDoubts(scene: Scene, count: number): Promise<void> {
  const [healthy, dead] = [participantsNamed('healthy', 2), participantsNamed('dead', 1)]
  const [sick] = dead
  const [well] = healthy
  if (sick === undefined || well === undefined) throw new Error('Broken invariant: names were made.')
  await report(scene, 'with nothing in doubt', healthy)
  scene.voters.manners.set(sick, values.manner === 'gone' ? 'gone' : 'silent')
  const before = memoryMiB()
  await scene.commit([sick, well], count, inFlight)
  console.log(`${count} left in doubt; memory ${before} → ${memoryMiB()} MiB`)
  await report(scene, 'while they are', healthy)
  await toldIn(scene, sick, 10)

  await scene.stop()
  const beganMs = performance.now()
  await scene.lead()
  console.log(`the next leader leads after ${(performance.now() - beganMs).toFixed(0)} ms`)
  await report(scene, 'while it takes them up', healthy)
  await toldIn(scene, well, 10)
  await toldIn(scene, sick, 10)

  scene.voters.manners.set(sick, 'acknowledges')
  await report(scene, 'once the participant is back', healthy)
  const backMs = performance.now()
  while (scene.coordinator.status().unsettled > 0) await pause(200)
  console.log(`all settled ${((performance.now() - backMs) / 1_000).toFixed(1)} s later; memory ${memoryMiB()} MiB`)
}

/** What a commit of others costs. */
async function report(scene: Scene, when: string, participants: readonly ParticipantName[]): Promise<void> {
  const transactions = 2_000
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const cpu = process.cpuUsage()
  const times = (await scene.commit(participants, transactions, 8)).toSorted((a, b) => a - b)
  delays.disable()
  const beganMs = performance.now()
  const { unsettled } = scene.coordinator.status()
  const statusMs = (performance.now() - beganMs).toFixed(1)
  const [p50, p99] = [0.5, 0.99].map((part) => times[Math.floor(part * times.length)]?.toFixed(2))
  console.log(
    `${when}: commit p50 ${p50} ms, p99 ${p99} ms, CPU ${(cpuMs(cpu) / transactions).toFixed(2)} ms, longest stop of the ` +
      `loop ${(delays.max / 1e6).toFixed(0)} ms; status in ${statusMs} ms says ${unsettled} unsettled; memory ${memoryMiB()} MiB`,
  )
}

/** How many outcomes a participant is sent. */
async function toldIn(scene: Scene, participant: ParticipantName, seconds: number): Promise<void> {
  const before = scene.voters.told.get(participant) ?? 0
  await pause(seconds * 1_000)
  const told = (scene.voters.told.get(participant) ?? 0) - before
  console.log(`${participant} is told ${(told / seconds).toFixed(0)} outcomes a second`)
}

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1_000
}

function memoryMiB(): number {
  return Math.round(process.memoryUsage().rss / 1024 / 1024)
}
