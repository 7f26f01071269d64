import { thisRelease } from '@verdict/coordinator/internal'
import type { Answer, TransactionId } from '@verdict/protocol'
import type { SimulatedProcess } from '@verdict/runtime/simulated'
import { expect, test } from 'vitest'
import type { Run } from './client.ts'
import { hastyRelease, nextFormat, nextRelease } from './next-release.ts'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'
import { under } from './wire.ts'

/** Transfers one after another, each of which must be committed, whatever the script does meanwhile. */
class Load {
  readonly committed: TransactionId[] = []
  readonly #stage: Stage
  readonly #run: Run<void>
  #over = false

  constructor(stage: Stage) {
    this.#stage = stage
    this.#run = stage.client.begin(async (verdict) => {
      while (!this.#over) {
        const [from, to] = this.committed.length % 2 === 0 ? (['alpha', 'beta'] as const) : (['beta', 'alpha'] as const)
        const move = (service: string, amount: number) =>
          verdict.call<ServiceContract>(service).add({ key: 'a', amount })
        const { receipt } = await verdict.submit([move(from, -1), move(to, 1)], { budgetMs: 60_000 })
        this.committed.push(receipt.id)
      }
    })
  }

  get last(): TransactionId {
    return this.committed.at(-1) as TransactionId
  }

  /** Some more are committed. */
  async some(count = 5): Promise<void> {
    const goal = this.committed.length + count
    await this.#stage.until(() => this.#run.done || this.committed.length >= goal)
    expect(this.#run.error).toBeUndefined()
  }

  /** Returns how many were committed, once everything is at rest and the money is where they put it. */
  async end(): Promise<number> {
    this.#over = true
    await this.#stage.until(() => this.#run.done)
    expect(this.#run.error).toBeUndefined()
    await this.#stage.rest()
    const { length } = this.committed
    expect(this.#stage.balances()).toEqual(length % 2 === 0 ? { alpha: 100, beta: 100 } : { alpha: 99, beta: 101 })
    return length
  }
}

/** Starts a replica with another program, and returns once it has applied what the group had decided. */
async function roll(stage: Stage, replica: SimulatedProcess, release = nextRelease): Promise<void> {
  replica.crash()
  stage.group.releases.set(replica.name, release)
  await stage.until(() => stage.group.findLeader() !== undefined)
  const { commitIndex } = stage.group.status()
  replica.start()
  await stage.until(() => appliedBy(stage, replica) >= commitIndex)
}

/** How much of the log a replica that runs has applied. */
function appliedBy(stage: Stage, replica: SimulatedProcess): number {
  const found = stage.group.running().find((coordinator) => coordinator.status().replica === replica.name)
  return found?.status().appliedIndex ?? 0
}

/** An operator raises the group's format, as `verdict group upgrade` does once it has seen that all read it. */
async function raise(stage: Stage, to = nextFormat): Promise<Answer> {
  const answers = stage.wire.ask('cli', under.operate(stage.group.id, 'cli' as never), { type: 'upgrade', to })
  await stage.until(() => answers.length > 0)
  return answers[0] as Answer
}

async function failureOf(stage: Stage, replica: SimulatedProcess): Promise<Error> {
  await stage.until(() => stage.group.failures.has(replica.name))
  return stage.group.failures.get(replica.name) as Error
}

const decidedBy = (stage: Stage, id: TransactionId): unknown =>
  (stage.group.record(id) as { readonly decidedBy?: string } | undefined)?.decidedBy

test('a group is rolled one by one under load, back and forth: all is committed, nobody stops, and the new forms come last', async () => {
  const stage = await Stage.set()
  const load = new Load(stage)
  const { replicas, failures } = stage.group
  const [n1, n2, n3] = replicas as [SimulatedProcess, SimulatedProcess, SimulatedProcess]
  // Each is led by whoever is left: by an old one with new followers, and by a new one with old followers.
  for (const [replica, release] of [
    [n1, nextRelease],
    [n2, nextRelease],
    [n1, thisRelease],
    [n1, nextRelease],
  ] as const) {
    await roll(stage, replica, release)
    await load.some()
    await stage.newLeader(stage.group.crashLeader())
    await load.some()
    for (const each of replicas) if (!each.running) each.start()
  }
  await roll(stage, n3)
  await load.some()
  expect(stage.group.status().format).toBe(nextFormat - 1)
  expect(decidedBy(stage, load.last)).toBeUndefined()

  expect(await raise(stage)).toEqual({ type: 'upgraded', format: nextFormat })
  await load.some()
  expect(decidedBy(stage, load.last)).toBe('next release')
  await stage.newLeader(stage.group.crashLeader())
  await load.some()
  expect(await load.end()).toBeGreaterThan(40)
  expect(failures).toEqual(new Map())
})

test('a replica that meets a new form before its time stops there, and says why; the others go on', async () => {
  const stage = await Stage.set()
  const { leader } = stage.group
  const [old, hasty] = stage.group.replicas.filter((replica) => replica !== leader) as [
    SimulatedProcess,
    SimulatedProcess,
  ]
  await roll(stage, leader, hastyRelease)
  await roll(stage, hasty, hastyRelease)
  // The old one has the whole log and leads no more.
  if (stage.group.leader === old) await stage.newLeader(stage.group.crashLeader())
  if (!old.running) old.start()
  const load = new Load(stage)
  const error = await failureOf(stage, old)
  expect(error).toMatchObject({ code: 'unreadable-command' })
  expect(error.message).toContain(
    `a command of format ${nextFormat}, this replica reads formats up to ${nextFormat - 1}`,
  )
  const stoppedAt = appliedBy(stage, old)
  await load.some(20)
  expect(appliedBy(stage, old)).toBe(stoppedAt)
  expect([...stage.group.failures.keys()]).toEqual([old.name])

  // Started again with its program it stops again; with the newer one it goes on where it was.
  old.restart()
  expect(await failureOf(stage, old)).toMatchObject({ code: 'unreadable-command' })
  await roll(stage, old)
  await load.end()
  expect(stage.group.failures).toEqual(new Map())
})

test('a format that is raised too early stops the replica that does not read it, and nobody else', async () => {
  const stage = await Stage.set()
  const [n1, n2, n3] = stage.group.replicas as [SimulatedProcess, SimulatedProcess, SimulatedProcess]
  for (const replica of [n1, n2]) await roll(stage, replica)
  if (stage.group.leader === n3) await stage.newLeader(stage.group.crashLeader())
  if (!n3.running) n3.start()
  const load = new Load(stage)
  await load.some()
  expect(await raise(stage)).toEqual({ type: 'upgraded', format: nextFormat })
  expect(await failureOf(stage, n3)).toMatchObject({ code: 'unreadable-state' })
  await load.some()
  await roll(stage, n3)
  await load.end()
})

test('a replica that was away meanwhile takes a snapshot, finds that it cannot read it, and applies nothing to it', async () => {
  const stage = await Stage.set()
  stage.group.raft = { retainedEntries: 4, entriesInMemory: 2 }
  const [n1, n2, n3] = stage.group.replicas as [SimulatedProcess, SimulatedProcess, SimulatedProcess]
  for (const replica of [n1, n2]) await roll(stage, replica)
  n3.crash()
  await stage.until(() => stage.group.findLeader() !== undefined)
  await raise(stage)
  const load = new Load(stage)
  await load.some(40)
  n3.start()
  const error = await failureOf(stage, n3)
  expect(error).toMatchObject({ code: 'unreadable-state' })
  expect(error.message).toContain(`The group's state has format ${nextFormat}`)
  n3.restart()
  expect(await failureOf(stage, n3)).toMatchObject({ code: 'unreadable-state' })
  await roll(stage, n3)
  await load.end()
})

test('a leader of the old release raises nothing', async () => {
  const stage = await Stage.set()
  expect(await raise(stage)).toMatchObject({ type: 'failure', code: 'unreadable-format' })
  expect(stage.group.status().format).toBe(nextFormat - 1)
})
