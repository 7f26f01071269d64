import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Shop } from '../../infra/shop/shop.ts'
import { type Span, type Trace, TraceBackend } from '../../infra/traces/backend.ts'
import { outlineOf } from './outline.ts'
import { committed, recovered, refused, takenUp, takeUpOf, traceOf } from './stories.ts'
import { until } from './until.ts'

const participants = ['inventory', 'orders', 'payments'] as const
const clockMs = 1 // a span starts at a whole millisecond, and ends that plus what it took: each end may be told as early as that

/** What every order looks for first: its key may have been used before. */
const lookOutline = ['    checkout coordinator/look CLIENT', '      coordinator coordinator/look SERVER']

function callOutline(participant: string, operation: string, openOutline: readonly string[] = []): string[] {
  return [
    `    checkout ${participant}/${operation} CLIENT`,
    `      ${participant} ${participant}/${operation} SERVER`,
    `        ${participant} open INTERNAL`,
    ...openOutline.map((line) => `          ${participant} ${line}`),
  ]
}

const openInPostgres = [
  'SELECT pg_prepared_xacts CLIENT',
  'SELECT pg_prepared_xacts CLIENT',
  'SELECT verdict.branch CLIENT',
]

const committedOutline = [
  'checkout POST /orders SERVER',
  '  checkout transaction INTERNAL',
  '    checkout coordinator/commit CLIENT',
  '      coordinator coordinator/commit SERVER',
  '        coordinator decide INTERNAL',
  '        coordinator inventory/outcome CLIENT',
  '          inventory inventory/outcome SERVER',
  '            inventory flush INTERNAL',
  '        coordinator orders/outcome CLIENT',
  '          orders orders/outcome SERVER',
  '            orders COMMIT PREPARED CLIENT',
  '        coordinator payments/outcome CLIENT',
  '          payments payments/outcome SERVER',
  '            payments COMMIT PREPARED CLIENT',
  '        coordinator votes INTERNAL',
  '          coordinator inventory/prepare CLIENT',
  '            inventory inventory/prepare SERVER',
  '              inventory flush INTERNAL',
  '          coordinator orders/prepare CLIENT',
  '            orders orders/prepare SERVER',
  '              orders INSERT verdict.branch CLIENT',
  '              orders PREPARE TRANSACTION CLIENT',
  '          coordinator payments/prepare CLIENT',
  '            payments payments/prepare SERVER',
  '              payments INSERT verdict.branch CLIENT',
  '              payments PREPARE TRANSACTION CLIENT',
  ...lookOutline,
  ...callOutline('inventory', 'reserve'),
  ...callOutline('orders', 'place', openInPostgres),
  ...callOutline('payments', 'charge', openInPostgres),
]

const refusedOutline = [
  'checkout POST /orders SERVER',
  '  checkout transaction INTERNAL error insufficient-funds',
  ...lookOutline,
  ...lookOutline, // and when it was refused, since another one under the same key may have been committed
  ...callOutline('inventory', 'reserve'),
  '    checkout payments/charge CLIENT error insufficient-funds',
  '      payments payments/charge SERVER error insufficient-funds',
  '        payments ROLLBACK CLIENT',
  '        payments open INTERNAL',
  ...openInPostgres.map((line) => `          payments ${line}`),
]

/** What the next leader delivers, each in a trace of its own. */
const outcomeOutline = [
  'coordinator inventory/outcome CLIENT',
  '  inventory inventory/outcome SERVER',
  '    inventory flush INTERNAL',
  'coordinator orders/outcome CLIENT',
  '  orders orders/outcome SERVER',
  '    orders COMMIT PREPARED CLIENT',
  'coordinator payments/outcome CLIENT',
  '  payments payments/outcome SERVER',
  '    payments COMMIT PREPARED CLIENT',
]

let backend: TraceBackend
let shop: Shop

beforeAll(async () => {
  backend = await TraceBackend.start()
  shop = await Shop.start({ preload: `${import.meta.dirname}/crash-points.ts`, environment: backend.environment })
  await committed(shop) // connections are opened, and looks at what is prepared are made, before what is compared
})
afterAll(async () => {
  await shop.stop()
  await backend.stop()
})

/** The transaction's trace, once it has a span for which `isLast` holds: services export on their own, one after the other. */
async function traceWith(id: string, isLast: (spans: readonly Span[]) => boolean): Promise<Trace> {
  return await until(async () => {
    const trace = await traceOf(backend, id)
    return trace !== undefined && isLast(trace.spans) && trace
  })
}

interface Linked {
  readonly trace: Trace
  readonly root: Span
}

/** Roots in traces of their own that are linked to this one. */
async function linkedTo({ traceId }: Trace): Promise<Linked[]> {
  const traces = await backend.traces(`link.trace_id = "${traceId}"`)
  return traces.flatMap((trace) =>
    trace.spans.filter(({ parentSpanId }) => parentSpanId === undefined).map((root) => ({ trace, root })),
  )
}

function named(spans: readonly Span[], name: string, kind?: Span['kind']): Span {
  const [span, another] = spans.filter((one) => one.name === name && (kind === undefined || one.kind === kind))
  if (span === undefined || another !== undefined) throw new Error(`Expected one span ${name} ${kind ?? ''}.`)
  return span
}

/** Checkout exports what belongs to one request together with the request. */
function isAnswered(spans: readonly Span[]): boolean {
  return (
    spans.some(({ name }) => name === 'POST /orders') &&
    spans.some(({ name, kind }) => name === 'coordinator/commit' && kind === 'SERVER')
  )
}

function isDecided(spans: readonly Span[]): boolean {
  return spans.some(({ name }) => name === 'decide')
}

function byName({ root: a }: Linked, { root: b }: Linked): number {
  return a.name < b.name ? -1 : 1
}

describe('an order that is committed', () => {
  let trace: Trace

  beforeAll(async () => {
    const id = await committed(shop)
    trace = await traceWith(id, (spans) => spans.length >= committedOutline.length)
  })

  test('is one trace through six services, down to each statement and flush', () => {
    expect(outlineOf(trace)).toEqual(committedOutline)
  })

  test('says what came of it, of each vote and of each branch', () => {
    const { spans } = trace
    expect(named(spans, 'transaction').attributes).toMatchObject({
      'verdict.outcome': 'committed',
      'verdict.mode': 'interactive',
      'verdict.transaction.branches': 3,
    })
    for (const participant of participants) {
      const vote = { 'rpc.system.name': 'verdict', 'rpc.method': `${participant}/prepare`, 'verdict.vote': 'prepared' }
      expect(named(spans, `${participant}/prepare`, 'CLIENT').attributes).toMatchObject(vote)
      expect(named(spans, `${participant}/prepare`, 'SERVER').attributes).toMatchObject(vote)
      expect(named(spans, `${participant}/outcome`, 'SERVER').attributes).toMatchObject({
        'verdict.ending': 'committed',
      })
    }
  })

  test('decides after all votes, and each vote is given after its flush', () => {
    const { spans } = trace
    const votes = named(spans, 'votes')
    const decide = named(spans, 'decide')
    expect(decide.startTime).toBeGreaterThan(votes.endTime - clockMs)
    for (const participant of participants) {
      const prepare = named(spans, `${participant}/prepare`, 'SERVER')
      const flush = spans.findLast(({ parentSpanId }) => parentSpanId === prepare.spanId)
      expect(prepare.endTime).toBeGreaterThan((flush?.endTime ?? Number.POSITIVE_INFINITY) - clockMs)
      expect(votes.endTime).toBeGreaterThan(prepare.endTime - clockMs)
      expect(named(spans, `${participant}/outcome`, 'CLIENT').startTime).toBeGreaterThan(decide.endTime - clockMs)
    }
  })

  test('has a decision that a majority keeps, and is linked, both ways, with the append of the leader', async () => {
    const { spans, traceId } = await traceWith(await committed(shop), isDecided)
    const decide = named(spans, 'decide')
    expect(decide.events.map(({ name }) => name)).toContain('replicated')
    const append = await until(async () => {
      const [found] = await backend.traces(`name = append AND link.span_id = "${decide.spanId}"`)
      return found !== undefined && found.spans.length === 3 && found
    })
    expect(outlineOf(append)).toEqual([
      'coordinator append INTERNAL',
      '  coordinator flush INTERNAL',
      '  coordinator replicate INTERNAL',
    ])
    const root = named(append.spans, 'append')
    expect(root.links).toContainEqual(expect.objectContaining({ traceId, spanId: decide.spanId }))
    expect(decide.links).toMatchObject([{ traceId: append.traceId, spanId: root.spanId }])
  })
})

describe('an order that is refused', () => {
  test('shows red where it was refused and at who began it, and nowhere between', async () => {
    const id = await refused(shop)
    const trace = await traceWith(id, (spans) => spans.length >= refusedOutline.length)
    expect(outlineOf(trace)).toEqual(refusedOutline)
    for (const { attributes } of trace.spans.filter(({ status }) => status.code === 'ERROR'))
      expect(attributes).toMatchObject({
        'error.type': 'insufficient-funds',
        'verdict.reason.code': 'insufficient-funds',
      })
    expect(named(trace.spans, 'transaction').attributes).toMatchObject({ 'verdict.outcome': 'aborted' })
    expect(await linkedTo(trace)).toEqual([]) // nothing was prepared, so nothing is recorded
  })
})

describe('an order whose leader is killed when it is decided, before anybody is told', () => {
  test('is one trace for its customer, and what the next leader delivers is linked with it', async () => {
    const id = await recovered(shop)
    const trace = await traceWith(id, isAnswered)
    const { spans } = trace
    expect(named(spans, 'transaction').attributes).toMatchObject({ 'verdict.outcome': 'committed' })
    const asked = named(spans, 'coordinator/commit', 'CLIENT')
    expect(asked.events.map(({ name }) => name)).toContain('resent')
    const answered = named(spans, 'coordinator/commit', 'SERVER') // that of the killed leader went with it
    expect(answered.parentSpanId).toBe(asked.spanId)
    for (const participant of participants)
      expect(named(spans, `${participant}/prepare`, 'SERVER').attributes).toMatchObject({ 'verdict.vote': 'prepared' })

    const outcomes = await until(async () => {
      const found = (await linkedTo(trace)).filter(({ root }) => root.name.endsWith('/outcome'))
      const lines = found.flatMap((outcome) => outlineOf(outcome.trace))
      return lines.length >= outcomeOutline.length && found
    })
    expect(outcomes.toSorted(byName).flatMap((outcome) => outlineOf(outcome.trace))).toEqual(outcomeOutline)
    for (const { root } of outcomes) {
      expect(root.attributes).toMatchObject({ 'verdict.transaction.id': id, 'verdict.outcome': 'committed' })
      expect(root.attributes['service.instance.id']).toBe(answered.attributes['service.instance.id'])
    }
  })
})

describe('an order whose leader and whose customer are killed while it is asked for votes', () => {
  test('is taken up by another leader in a trace of its own, linked with the first', async () => {
    const id = await takenUp(shop, backend)
    const trace = await until(async () => {
      const found = await takeUpOf(backend, id)
      const ended = found?.spans.filter(({ name, kind }) => name.endsWith('/outcome') && kind === 'SERVER')
      return ended?.length === participants.length && found
    })
    const { spans } = trace
    const root = named(spans, 'take up')
    expect(root.parentSpanId).toBeUndefined()
    expect(root.attributes).toMatchObject({ 'verdict.outcome': 'committed' })
    expect(named(spans, 'votes').parentSpanId).toBe(root.spanId)
    expect(named(spans, 'decide').parentSpanId).toBe(root.spanId)
    for (const participant of participants) {
      expect(named(spans, `${participant}/prepare`, 'SERVER').attributes).toMatchObject({ 'verdict.vote': 'prepared' })
      expect(named(spans, `${participant}/outcome`, 'SERVER').attributes).toMatchObject({
        'verdict.ending': 'committed',
      })
    }

    const [link] = root.links ?? []
    const [first] = await backend.traces(`trace_id = "${link?.traceId}"`)
    // It holds what was done for the customer, whose own spans went with the process: theirs is the one that is linked.
    const call = first?.spans.find(({ parentSpanId, kind }) => parentSpanId === link?.spanId && kind === 'SERVER')
    expect(call?.attributes).toMatchObject({ 'verdict.transaction.id': id })
    expect(first?.spans.some(({ name }) => name === 'transaction')).toBe(false)
  })
})
