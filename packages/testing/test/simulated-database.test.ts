import type { BranchNote, Resource } from '@verdict/participant'
import {
  type Digest,
  type Epoch,
  groupName,
  groupOf,
  makeId,
  makeIncarnation,
  makeToken,
  ownerName,
  participantName,
  type Token,
} from '@verdict/protocol'
import { Simulation } from '@verdict/runtime/simulated'
import { expect, test } from 'vitest'
import { type DatabaseFaults, SimulatedDatabase, type SimulatedSession, simulatedResource } from '../src/index.ts'

const participant = participantName('payments')

/** A simulation of one database and the instances on it. What `run` is given happens on virtual time. */
class Scene {
  readonly simulation: Simulation
  readonly database: SimulatedDatabase

  constructor(seed: number, faults: Partial<DatabaseFaults> = {}, maxPrepared = 100) {
    this.simulation = new Simulation({ seed })
    const machine = this.simulation.process('database')
    machine.start()
    const { clock, random } = machine.world
    this.database = new SimulatedDatabase({ clock, random, faults, maxPrepared, values: { a: 100 } })
  }

  async instance(name: string): Promise<Resource<SimulatedSession>> {
    const process = this.simulation.process(name)
    process.start()
    const resource = simulatedResource(this.database, { clock: process.world.clock, instance: name })
    await this.run(resource.start({ participant }))
    return resource
  }

  crashInstance(name: string): void {
    this.simulation.processes.get(name)?.crash()
    this.database.disconnect(name)
  }

  note(): BranchNote {
    const bytes = this.simulation.random.bytes(12)
    const [group, owner, incarnation] = [groupName('main'), ownerName('checkout'), makeIncarnation(bytes)]
    const token = makeToken<Token>(bytes)
    const digest = token.padEnd(26, 'a') as string as Digest
    return { id: makeId({ group, incarnation, epoch: 1 as Epoch, owner, mark: 'once' }, bytes), digest, token }
  }

  async prepare(resource: Resource<SimulatedSession>, note: BranchNote, key = 'a'): Promise<string> {
    const branch = await this.run(resource.open({ lockTimeoutMs: 100 }))
    await this.run(branch.session.table.add(key, -1, { min: 0 }))
    return (await this.run(branch.prepare(note))).kind
  }

  /** Lets virtual time pass until the promise has settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await this.simulation.runUntil(() => isSettled, { withinMs: 60_000 })
    return promise
  }

  pass(ms: number): Promise<void> {
    return this.simulation.run({ untilMs: this.simulation.nowMs + ms })
  }
}

test('a prepared branch cannot be seen, keeps its locks and outlives a crash', async () => {
  const scene = new Scene(1)
  const resource = await scene.instance('p1')
  const note = scene.note()
  expect(await scene.prepare(resource, note)).toBe('prepared')
  scene.database.crash()
  scene.database.restart()
  expect(scene.database.value('a')).toBe(100)
  expect(scene.database.rows()).toEqual([])
  expect(scene.database.locks().map(({ key, branch }) => [key, branch?.token])).toEqual([
    ['data a', note.token],
    [`journal payments_${note.id}`, note.token],
  ])
  expect(await scene.run(resource.finish(note, 'committed'))).toBe('done')
  expect(scene.database.effects().map(({ name, writes }) => [name.token, ...writes])).toEqual([[note.token, ['a', 99]]])
  expect(scene.database.locks()).toEqual([])
})

test('a prepare whose answer is lost is busy, and happens at once or later', async () => {
  const shown = new Set<boolean>()
  for (let seed = 1; seed <= 20; seed += 1) {
    const scene = new Scene(seed, { uncertainPrepare: 1 })
    const resource = await scene.instance('p1')
    expect(await scene.prepare(resource, scene.note())).toBe('busy')
    shown.add(scene.database.prepared().length > 0)
    await scene.pass(1000)
    expect(scene.database.prepared()).toHaveLength(1)
  }
  expect(shown).toEqual(new Set([true, false]))
})

test('what a dead instance had open is rolled back after a while, what it had prepared stays', async () => {
  const scene = new Scene(2, { noticeMs: [200, 300] })
  const [first, second] = [await scene.instance('p1'), await scene.instance('p2')]
  const note = scene.note()
  await scene.prepare(first, note)
  const open = await scene.run(first.open({ lockTimeoutMs: 100 }))
  await scene.run(open.session.table.put('b', 1))
  scene.crashInstance('p1')
  const waiter = await scene.run(second.open({ lockTimeoutMs: 100 }))
  await expect(scene.run(waiter.session.table.put('b', 2))).rejects.toMatchObject({ code: '55P03' })
  await scene.pass(300)
  expect(scene.database.locks().some(({ key }) => key === 'data b')).toBe(false)
  expect(scene.database.prepared().map(({ name }) => name.id)).toEqual([note.id])
})

test('a failover that lost COMMIT PREPARED shows the branch prepared again, under another history', async () => {
  const scene = new Scene(3)
  const resource = await scene.instance('p1')
  const note = scene.note()
  await scene.prepare(resource, note)
  await scene.run(resource.finish(note, 'committed'))
  const lost = scene.database.failover({ kind: 'from-last', record: 'commit-prepared' })
  expect(lost.map(({ kind }) => kind)).toEqual(['commit-prepared'])
  expect(scene.database.value('a')).toBe(100)
  expect(await scene.run(resource.look(note.id))).toMatchObject({ state: 'prepared', history: 'changed' })
  expect(await scene.run(resource.finish(note, 'committed'))).toBe('done')
  expect(scene.database.value('a')).toBe(99)
})

test('a failover that lost a prepare leaves nothing of it', async () => {
  const scene = new Scene(4)
  const resource = await scene.instance('p1')
  const note = scene.note()
  await scene.prepare(resource, note)
  scene.database.failover({ kind: 'from-last', record: 'prepare' })
  expect(await scene.run(resource.look(note.id))).toEqual({ state: 'nothing' })
  expect(await scene.run(resource.finish(note, 'committed'))).toBe('absent')
  expect(scene.database.locks()).toEqual([])
})

test('a crash loses what was not flushed, whoever saw it', async () => {
  const states = new Set<number>()
  for (let seed = 1; seed <= 20; seed += 1) {
    const scene = new Scene(seed, { flushMs: [50, 50] })
    const resource = await scene.instance('p1')
    const branch = await scene.run(resource.open({ lockTimeoutMs: 100 }))
    await scene.run(branch.session.table.put('b', 1))
    const preparing = branch.prepare(scene.note())
    await scene.simulation.runUntil(() => scene.database.prepared().length === 1, { withinMs: 1000 })
    scene.database.crash()
    scene.database.restart()
    states.add(scene.database.prepared().length)
    expect((await scene.run(preparing)).kind).toBe('busy')
  }
  expect(states).toEqual(new Set([0, 1]))
})

test('a branch that a look has shown outlives a crash, though its own flush was still under way', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const scene = new Scene(seed, { flushMs: [50, 50] })
    const [first, second] = [await scene.instance('p1'), await scene.instance('p2')]
    const note = scene.note()
    const branch = await scene.run(first.open({ lockTimeoutMs: 100 }))
    await scene.run(branch.session.table.put('b', 1))
    void branch.prepare(note)
    await scene.simulation.runUntil(() => scene.database.prepared().length === 1, { withinMs: 1000 })
    expect(await scene.run(second.look(note.id))).toMatchObject({ state: 'prepared' })
    scene.database.crash()
    scene.database.restart()
    expect(scene.database.prepared()).toHaveLength(1)
  }
})

test('a tombstone waits for a branch that is about to write its row, and one of both wins', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const scene = new Scene(seed)
    const [first, second] = [await scene.instance('p1'), await scene.instance('p2')]
    const note = scene.note()
    const branch = await scene.run(first.open({ lockTimeoutMs: 100 }))
    await scene.run(branch.session.table.put('b', 1))
    const both = Promise.all([branch.prepare(note), second.tombstone(note.id, note.digest)])
    const [prepared, buried] = await scene.run(both)
    expect([prepared.kind, buried]).toSatisfy(
      ([kind, answer]) => (kind === 'prepared') !== (answer === 'done') && kind !== 'refused',
    )
  }
})

test('a server without room for another prepared branch refuses it for certain', async () => {
  const scene = new Scene(5, {}, 1)
  const resource = await scene.instance('p1')
  expect(await scene.prepare(resource, scene.note())).toBe('prepared')
  const branch = await scene.run(resource.open({ lockTimeoutMs: 100 }))
  await scene.run(branch.session.table.put('b', 1))
  expect(await scene.run(branch.prepare(scene.note()))).toMatchObject({ kind: 'refused', reason: { retryable: true } })
  expect(scene.database.locks().some(({ key }) => key === 'data b')).toBe(false)
})

test('an operator ends a branch by hand', async () => {
  const scene = new Scene(6)
  const resource = await scene.instance('p1')
  const note = scene.note()
  await scene.prepare(resource, note)
  expect(await scene.run(scene.database.endByHand(participant, note.id, 'rollback'))).toBe(true)
  expect(await scene.run(scene.database.endByHand(participant, note.id, 'rollback'))).toBe(false)
  expect(await scene.run(resource.look(note.id))).toEqual({ state: 'nothing' })
})

test('a history under all faults at once keeps its invariants, and is the same for the same seed', async () => {
  const faults = { loseRequest: 0.03, delayRequest: 0.03, loseAnswer: 0.03, failStatement: 0.03, uncertainPrepare: 0.2 }
  const live = async (seed: number): Promise<string> => {
    const scene = new Scene(seed, faults)
    const resource = await scene.instance('p1').catch(() => undefined)
    const told: string[] = []
    for (let round = 0; resource && round < 30; round += 1) {
      const note = scene.note()
      const kind = await scene.prepare(resource, note).catch(() => 'failed')
      if (round % 7 === 3) {
        scene.database.crash()
        await scene.pass(20)
        scene.database.restart()
      }
      if (kind === 'failed') continue
      for (let attempt = 0; attempt < 50; attempt += 1) {
        const answer = await scene.run(resource.finish(note, 'committed')).catch(() => 'busy')
        told.push(`${kind} ${answer}`)
        if (answer !== 'busy') break
      }
      await scene.pass(200)
    }
    const { database } = scene
    const applied = database.effects().map(({ name }) => name.token)
    expect(new Set(applied).size).toBe(applied.length)
    expect(database.value('a')).toBe(100 - applied.length)
    return told.join()
  }
  for (let seed = 1; seed <= 10; seed += 1) expect(await live(seed)).toBe(await live(seed))
})

/** Of a slow branch's requests one arrives after another; rows are deleted, in no time, at each moment between them. */
test.each(['prepare', 'commit'] as const)(
  'whenever a row is deleted while a copy of its branch is to %s, the copy does not',
  async (end) => {
    const slowMs = 10
    for (let atMs = slowMs / 2; atMs < 12 * slowMs; atMs += slowMs) {
      const scene = new Scene(1, { latencyMs: [0, 0], flushMs: [0, 0] })
      const resource = await scene.instance('payments-1')
      const note = scene.note()
      expect(await scene.prepare(resource, note)).toBe('prepared')
      expect(await scene.run(resource.finish(note, 'committed'))).toBe('done')
      const copy = await scene.run(resource.open({ lockTimeoutMs: 100 }))
      await scene.run(copy.session.table.put('b', 1))
      scene.database.setFaults({ latencyMs: [slowMs, slowMs] })
      const ending = end === 'prepare' ? copy.prepare(note) : copy.commit({ ...note, rowAlways: false })
      await scene.pass(atMs)
      scene.database.setFaults({ latencyMs: [0, 0] })
      await scene.run(resource.raiseFloor(groupOf(note.id), 1 as Epoch))
      await scene.run(resource.forget([note.id]))
      expect(['exists', 'expired']).toContain((await scene.run<{ readonly kind: string }>(ending)).kind)
      expect(scene.database.value('b')).toBeUndefined()
    }
  },
)
