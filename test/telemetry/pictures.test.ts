import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import type { ScopeMetrics } from '@opentelemetry/sdk-metrics'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { conventions, labels, spanAttributes, spanEvents } from '@verdict/protocol/telemetry'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type PostgresServer, startPostgres } from '../../infra/postgres.ts'
import { until } from '../end-to-end/until.ts'
import { Catalogue, tableOf } from './catalogue.ts'
import { picture, seenOf } from './picture.ts'
import { Recorded } from './recorded.ts'
import { fileOf, pictures, scenarios } from './scenarios.ts'
import { Shop } from './shop.ts'

// TELEMETRY_REWRITE=1 writes down what is seen now. Read the difference before you commit it: it is what the test is about.
const isRewriting = process.env['TELEMETRY_REWRITE'] === '1'
const pictured = Object.keys(scenarios).filter((name) => scenarios[name]?.pictured !== false)

let server: PostgresServer
beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

interface Emitted {
  readonly spans: readonly ReadableSpan[]
  readonly scopes: readonly ScopeMetrics[]
}

const played = new Map<string, Emitted>()

/** What a scenario emits: it happens once, for all tests. */
async function play(name: string): Promise<Emitted> {
  const known = played.get(name)
  if (known !== undefined) return known
  const { settings, happen } = scenarios[name] ?? {}
  using recorded = new Recorded()
  await using shop = await Shop.open(server.url, settings)
  recorded.forget()
  await happen?.(shop)
  await until(() => recorded.open === 0)
  const emitted = { spans: recorded.spans, scopes: await recorded.scopes() }
  played.set(name, emitted)
  return emitted
}

describe('the traces of', () => {
  test.each(pictured)('%s are those of the picture', async (name) => {
    const seen = picture((await play(name)).spans.map(seenOf))
    if (isRewriting) writeFileSync(fileOf(name), seen)
    else expect(seen).toBe(readFileSync(fileOf(name), 'utf8'))
  })

  test('every picture are seen', () => {
    expect(readdirSync(pictures).toSorted()).toEqual(pictured.map((name) => basename(fileOf(name))).toSorted())
  })
})

describe('the reference lists what is emitted, and nothing else:', () => {
  const reference = readFileSync(new URL('../../docs/reference/telemetry.md', import.meta.url), 'utf8')
  const emitted = new Catalogue()
  beforeAll(async () => {
    for (const name of Object.keys(scenarios)) {
      const { spans, scopes } = await play(name)
      emitted.addSpans(spans)
      emitted.addMetrics(scopes)
    }
  }, 120_000)

  test('spans, with package, kind, attributes and events', () => {
    expect(tableOf(reference, 'Spans', 5)).toEqual(emitted.spans)
  })
  test('links', () => {
    expect(tableOf(reference, 'Links', 4)).toEqual(emitted.links)
  })
  test('events, with attributes', () => {
    expect(tableOf(reference, 'Events', 2)).toEqual(emitted.events)
  })
  test('attributes', () => {
    expect(tableOf(reference, 'Attributes', 1)).toEqual(emitted.attributes)
  })
  test('every name that the protocol has for an attribute or an event', () => {
    const names = [conventions, spanAttributes, labels].flatMap((own) => Object.values<string>(own))
    expect(emitted.attributes).toEqual(expect.arrayContaining(names))
    expect(tableOf(reference, 'Events', 1)).toEqual(expect.arrayContaining(Object.values<string>(spanEvents)))
  })
  test('metrics, with package, instrument, unit and attributes', () => {
    expect(tableOf(reference, 'Metrics', 5)).toEqual(emitted.metrics)
  })
})
