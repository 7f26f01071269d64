import { type SimulatedProcess, Simulation } from '@verdict/runtime/simulated'
import { describe, expect, test } from 'vitest'
import { bytes, text } from '../bus-contract.ts'

function contentsOf(process: SimulatedProcess): Record<string, string> {
  return Object.fromEntries([...process.disk.contents].map(([key, value]) => [key, text(value)]))
}

describe('a commit', () => {
  test('is seen and durable once it resolves, all of it at once, removals too', async () => {
    const simulation = new Simulation({ seed: 1 })
    const process = simulation.process('a', async ({ disk }) => {
      const value = bytes('1')
      const first = disk.commit(
        new Map([
          ['b', value],
          ['a/2', value],
          ['a/1', value],
        ]),
      )
      value.fill(0) // what was handed over does not change any more
      expect(disk.list()).toEqual([])
      await first
      expect(disk.list().map(([key, found]) => `${key} ${text(found)}`)).toEqual(['a/1 1', 'a/2 1', 'b 1'])
      disk.get('b')?.fill(0)
      await disk.commit(new Map([['a/2', undefined]]))
      expect(disk.list('a/').map(([key]) => key)).toEqual(['a/1'])
      expect(disk.get('a/2')).toBeUndefined()
    })
    process.start()
    await simulation.run({ untilMs: 10 })
    expect(contentsOf(process)).toEqual({ 'a/1': '1', b: '1' })
  })

  test('takes the time that the device takes, and those that wait share one flush', async () => {
    const simulation = new Simulation({ seed: 1 })
    const ends: number[] = []
    const process = simulation.process('a', ({ disk }) => {
      for (const key of ['a', 'b', 'c'])
        void disk.commit(new Map([[key, bytes('1')]])).then(() => ends.push(simulation.nowMs))
    })
    Object.assign(process.disk.conditions, { minFlushMs: 100, maxFlushMs: 100 })
    process.start()
    await simulation.run({ untilMs: 1000 })
    expect(ends).toEqual([100, 200, 200])
  })
})

/** Values that were under way when the process died, of `count` commits of one flush; the flush before them was awaited. */
async function crashDuringFlush(
  seed: number,
  count: number,
  end: (process: SimulatedProcess) => void,
): Promise<string[]> {
  const simulation = new Simulation({ seed })
  const resolved: string[] = []
  const process = simulation.process('a', async ({ disk, incarnation }) => {
    await disk.commit(new Map([['awaited', bytes(String(incarnation))]]))
    if (incarnation > 1) return
    const commit = (key: string): void => {
      const changes = new Map([`${key}/x`, `${key}/y`].map((half) => [half, bytes('1')] as const))
      void disk.commit(changes).then(() => resolved.push(key))
    }
    commit('first') // begins a flush by itself
    for (let number = 0; number < count; number++) commit(String(number))
    simulation.plan(150, () => {
      commit('waiting')
      end(process)
    })
  })
  Object.assign(process.disk.conditions, { minFlushMs: 100, maxFlushMs: 100 })
  process.start()
  await simulation.runUntil(() => process.incarnation === 1 && !process.running, { withinMs: 1000 })
  process.start()
  await simulation.run({ untilMs: 2000 })
  expect(contentsOf(process)['awaited']).toBe('2')
  expect(resolved).toEqual(['first'])
  const found = [...process.disk.contents.keys()].toSorted()
  expect(found).toEqual(expect.arrayContaining(['awaited', 'first/x', 'first/y']))
  return found.filter((key) => key !== 'awaited' && !key.startsWith('first'))
}

describe.each([
  ['a crash', (process: SimulatedProcess): void => process.crash()],
  ['a power cut', (process: SimulatedProcess): void => process.powerCut()],
] as const)('%s', (_, end) => {
  test('keeps what was acknowledged, and of what was under way any first ones, each whole', async () => {
    const count = 3
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 60; seed++) outcomes.add((await crashDuringFlush(seed, count, end)).join(' '))
    const prefixes = Array.from({ length: count + 1 }, (_each, landed) =>
      Array.from({ length: landed }, (_none, number) => `${number}/x ${number}/y`).join(' '),
    )
    expect([...outcomes].toSorted()).toEqual(prefixes.toSorted())
  })
})

test('an older state of a disk can come back, and a disk can be replaced', async () => {
  const simulation = new Simulation({ seed: 1 })
  const process = simulation.process('a', async ({ disk, incarnation }) => {
    await disk.commit(new Map([[`life ${incarnation}`, bytes('1')]]))
  })
  process.start()
  await simulation.run({ untilMs: 10 })
  const older = process.disk.snapshot()
  process.restart()
  await simulation.run({ untilMs: 20 })
  expect(Object.keys(contentsOf(process))).toEqual(['life 1', 'life 2'])
  process.crash()
  process.disk.restore(older)
  expect(Object.keys(contentsOf(process))).toEqual(['life 1'])
  process.disk.wipe()
  expect(contentsOf(process)).toEqual({})
})
