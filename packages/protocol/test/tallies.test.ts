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

test('what is left at the end is told, and nothing after it', async () => {
  const { tally, end } = observed()
  tally.add('a', () => ({ kind: 'a' }))
  end()
  expect(await counted()).toEqual([['a', 1]])
  tally.add('a', () => ({ kind: 'a' }))
  expect(await counted()).toEqual([['a', 1]])
})

test('a series that was not counted since the last collection is not told of', async () => {
  const meter = metrics.getMeter('test')
  const counter = meter.createCounter('things')
  const added = vi.spyOn(counter, 'add')
  vi.spyOn(meter, 'createCounter').mockReturnValueOnce(counter)
  const { tally } = observed()
  tally.add('a', () => ({ kind: 'a' }))
  for (let times = 0; times < 3; times += 1) await counted()
  expect(added).toHaveBeenCalledExactlyOnceWith(1, { kind: 'a' })
})
