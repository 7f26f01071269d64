import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Shop } from '../../infra/shop/shop.ts'
import { Collector, type Manner } from './collector.ts'
import { newKey, place } from './customer.ts'
import { newOrders } from './order.ts'

const load = 80 // orders: some hundred spans in each service
const inFlight = 4
const maxRatio = 3 // of the median without telemetry: both are of services that have just started, on a machine that does other things too
const maxOrderMs = 2_000 // half of what the late collector takes, a fifth of what an exporter waits for one
const maxStopMs = 5_000 // two for the last telemetry, and the rest for what a stop takes without
const maxQueuedSpans = 100
const maxBatchSpans = 50

const bad: readonly Manner[] = [
  'refuses connections',
  'never answers',
  'answers late',
  'answers 500',
  'answers garbage',
]

let collector: Collector
let shop: Shop
let telemetry: Readonly<Record<string, string>>
let medianWithoutMs: number

beforeAll(async () => {
  collector = await Collector.start()
  telemetry = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_TRACES_SAMPLER: 'always_on',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_METRIC_EXPORT_INTERVAL: '500',
    OTEL_METRIC_EXPORT_TIMEOUT: '500',
  }
  shop = await Shop.start()
  medianWithoutMs = median(await placeMany())
})
afterAll(async () => {
  await shop.stop()
  await collector[Symbol.asyncDispose]()
})

/** Places orders, each of which must be committed, and returns how long each customer waited. */
async function placeMany(): Promise<number[]> {
  const orders = newOrders(load).values()
  const waitsMs: number[] = []
  const customer = async (): Promise<void> => {
    for (const order of orders) {
      const key = await newKey(shop)
      const startedAtMs = performance.now()
      expect(await place(shop, key, order)).toMatchObject({ outcome: 'committed', replayed: false })
      waitsMs.push(performance.now() - startedAtMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, customer))
  return waitsMs
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

/** Starts every service anew, with these variables from now on. */
async function restart(environment: Readonly<Record<string, string>>): Promise<void> {
  await terminate()
  await Promise.all(shop.services().map((service) => service.start(environment)))
}

/** Stops every service at once, and says of each how long that took and what it ended with. */
async function terminate(): Promise<
  { readonly name: string; readonly code: number | null; readonly tookMs: number }[]
> {
  return await Promise.all(
    shop.services().map(async (service) => {
      const startedAtMs = performance.now()
      const code = await service.terminate()
      return { name: service.name, code, tookMs: performance.now() - startedAtMs }
    }),
  )
}

test.each(bad)('a collector that %s fails no order, slows none, and holds up no service that stops', async (manner) => {
  await collector.become(manner)
  await restart(telemetry)
  const waitsMs = await placeMany()
  const { requests } = collector
  const stops = await terminate()

  if (manner !== 'refuses connections') expect(requests).toBeGreaterThan(0)
  expect(median(waitsMs)).toBeLessThan(maxRatio * medianWithoutMs)
  expect(Math.max(...waitsMs)).toBeLessThan(maxOrderMs)
  expect(stops.map(({ name, code }) => ({ name, code }))).toEqual(stops.map(({ name }) => ({ name, code: 0 })))
  expect(Math.max(...stops.map(({ tookMs }) => tookMs))).toBeLessThan(maxStopMs)
  // Whoever looks after a service is told in its log why there are no traces.
  for (const { name } of stops)
    expect(readFileSync(join(shop.folder, `${name}.log`), 'utf8')).toMatch(/OpenTelemetry: |telemetry/)
})

test('of what a collector does not take, a service keeps no more than its queue', async () => {
  await collector.become('never answers')
  await restart({
    ...telemetry,
    OTEL_BSP_MAX_QUEUE_SIZE: String(maxQueuedSpans),
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: String(maxBatchSpans),
  })
  await placeMany()
  await collector.become('works')
  await terminate() // what is left is exported

  const made = 3 * load // by checkout: each order, its calls, and its commit
  expect(made).toBeGreaterThan(maxQueuedSpans + maxBatchSpans)
  const taken = [...collector.spans]
  expect(taken.map(([sender]) => sender)).toContainEqual(expect.stringMatching(/^checkout /))
  expect(taken.filter(([, spans]) => spans > maxQueuedSpans + maxBatchSpans)).toEqual([])
})
