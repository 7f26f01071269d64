import { metrics } from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Recorded } from '../../../test/telemetry/recorded.ts'
import { Tallies } from '../src/telemetry/index.ts'

const definition = { name: 'things', options: { unit: '{thing}', description: 'Things that were counted.' } }

let recorded: Recorded
beforeEach(() => {
  recorded = new Recorded()
})
afterEach(() => recorded[Symbol.dispose]())

function observed() {
  const meter = metrics.getMeter('test')
  const tallies = new Tallies(meter)
  const tally = tallies.counter(definition)
  const end = tallies.observe(meter.createObservableGauge('gauge'))
  return { tally, end }
}

async function counted(): Promise<unknown[]> {
  return (await recorded.points('things')).map(({ attributes, value }) => [attributes['kind'], value])
}

test('what is counted is told by series at each collection, once', async () => {
  const { tally } = observed()
  const count = (kind: string) => tally.add(kind, () => ({ kind }))
  for (const kind of ['a', 'b', 'a']) count(kind)
  const first = [
    ['a', 2],
    ['b', 1],
  ]
  expect(await counted()).toEqual(first)
  expect(await counted()).toEqual(first)
  count('b')
  expect(await counted()).toEqual([
    ['a', 2],
    ['b', 2],
  ])
})

test('attributes are made once for a series', () => {
  const { tally } = observed()
  let made = 0
  for (let times = 0; times < 3; times += 1) tally.add('a', () => ({ made: ++made }))
  expect(made).toBe(1)
})

test('two that count the same series are summed', async () => {
  const [one, other] = [observed(), observed()]
  one.tally.add('a', () => ({ kind: 'a' }))
  other.tally.add('a', () => ({ kind: 'a' }))
  expect(await counted()).toEqual([['a', 2]])
})

test('what is left at the end is told, and what comes later at once', async () => {
  const { tally, end } = observed()
  for (let times = 0; times < 3; times += 1) tally.add('a', () => ({ kind: 'a' }))
  end()
  expect(await counted()).toEqual([['a', 3]])
  for (let times = 0; times < 2; times += 1) tally.add('a', () => ({ kind: 'a' }))
  expect(await counted()).toEqual([['a', 5]])
})

test('what nobody collects is told at once', async () => {
  const tally = new Tallies(metrics.getMeter('test')).counter(definition)
  for (let times = 0; times < 3; times += 1) tally.add('a', () => ({ kind: 'a' }))
  expect(await counted()).toEqual([['a', 3]])
})

/** What the counter of a tally is told, addition by addition. */
function overheard() {
  const meter = metrics.getMeter('test')
  const counter = meter.createCounter('things')
  const told = vi.spyOn(counter, 'add')
  vi.spyOn(meter, 'createCounter').mockReturnValueOnce(counter)
  return { ...observed(), told }
}

test('an interval begins with the first addition, and ends with all others', async () => {
  const { tally, told } = overheard()
  for (let interval = 0; interval < 2; interval += 1) {
    for (let times = 0; times < 4; times += 1) tally.add('a', () => ({ kind: 'a' }))
    await counted()
  }
  expect(told.mock.calls.map(([value]) => value)).toEqual([1, 3, 1, 3])
})

test('a series that was not counted since the last collection is not told of', async () => {
  const { tally, told } = overheard()
  tally.add('a', () => ({ kind: 'a' }))
  for (let times = 0; times < 3; times += 1) await counted()
  expect(told).toHaveBeenCalledExactlyOnceWith(1, { kind: 'a' })
})

test('a counter that throws is not told the same twice', async () => {
  const { tally, told } = overheard()
  for (let times = 0; times < 3; times += 1) tally.add('a', () => ({ kind: 'a' }))
  told.mockImplementationOnce(() => {
    throw new Error('no')
  })
  expect(() => tally.tell()).toThrow('no')
  tally.tell()
  expect(told.mock.calls.map(([value]) => value)).toEqual([1, 2])
})
