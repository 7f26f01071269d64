import {
  context,
  createNoopMeter,
  diag,
  metrics,
  type Span,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { idOf, Recorded } from '../../../test/telemetry/recorded.ts'
import { OverloadedError, type Replica } from '../src/index.ts'
import { Group, type Held, outcomes } from './group.ts'
import { command } from './scene.ts'

let recorded: Recorded
/** What the SDK complains of: spans that are ended twice, or used after their end. */
let complaints: string[]
beforeEach(() => {
  recorded = new Recorded()
  complaints = []
  const complain = (message: string): void => void complaints.push(message)
  const ignore = (): void => {}
  diag.setLogger({ error: complain, warn: complain, info: ignore, debug: ignore, verbose: ignore })
})
afterEach(() => {
  recorded[Symbol.dispose]()
  diag.disable()
  expect(complaints).toEqual([])
})

function linked(span: ReadableSpan): readonly string[] {
  return span.links.map((link) => link.context.spanId)
}

/** Proposes within a span of its own, which ends when the proposal does. */
function propose(replica: Replica<string>, text: string): Promise<string> {
  return within(startSpan(text), replica, text)
}

function startSpan(name: string): Span & ReadableSpan {
  return trace.getTracer('test').startSpan(name) as Span & ReadableSpan
}

function within(span: Span, replica: Replica<string>, text: string): Promise<string> {
  const result = context.with(trace.setSpan(context.active(), span), () => replica.propose(command(text)))
  return result.finally(() => span.end())
}

/** A span that another process does not sample. */
const unsampled = trace.wrapSpanContext({
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  traceFlags: TraceFlags.NONE,
})

const names = (): readonly string[] => recorded.spans.map(({ name }) => name)
const unset = { code: SpanStatusCode.UNSET }

test('a batch is one span with its flush and replication, linked both ways with each span that waits for it', async () => {
  const group = await Group.start(3)
  const { id, replica } = await group.leader()
  await outcomes(propose(replica, 'a'), replica.propose(command('untold')), propose(replica, 'b'))
  await group.settled()
  expect(names().toSorted()).toEqual(['a', 'append', 'b', 'flush', 'replicate'])
  const append = recorded.named('append')
  expect(append.parentSpanContext).toBeUndefined()
  expect(append.attributes).toEqual({
    'verdict.replica': id,
    'verdict.term': 1,
    'verdict.log.first_index': 2,
    'verdict.log.entries': 3,
    'verdict.log.bytes': 'auntoldb'.length,
  })
  for (const name of ['flush', 'replicate']) {
    expect(recorded.named(name)).toMatchObject({ status: unset, parentSpanContext: { spanId: idOf(append) } })
  }
  const proposers = ['a', 'b'].map((name) => recorded.named(name))
  expect(linked(append)).toEqual(proposers.map(idOf))
  for (const proposer of proposers) {
    expect(linked(proposer)).toEqual([idOf(append)])
    expect(proposer.events.map(({ name }) => name).toSorted()).toEqual(['flushed', 'replicated'])
  }
})

test('a span that waits for two entries of a batch is linked once', async () => {
  const { replica } = await (await Group.start(1)).leader()
  const span = startSpan('a')
  const both = context.with(trace.setSpan(context.active(), span), () =>
    outcomes(replica.propose(command('a')), replica.propose(command('b'))),
  )
  await both
  span.end()
  expect(linked(recorded.named('append'))).toEqual([idOf(span)])
})

test('what is proposed while a write is under way is in the next batch, and in no other', async () => {
  const group = await Group.start(1)
  const { replica, disk } = await group.leader()
  disk.held = []
  const first = propose(replica, 'a')
  await group.settled()
  const second = propose(replica, 'b')
  await group.settled()
  const [writing] = disk.held
  disk.held = undefined
  writing?.end()
  await outcomes(first, second)
  const batches = recorded.spans.filter(({ name }) => name === 'append')
  expect(batches.map(linked)).toEqual([[idOf(recorded.named('a'))], [idOf(recorded.named('b'))]])
})

/** A group whose leader's disk is slower than the others', and what its held writes wait for. */
async function slowLeader(): Promise<Awaited<ReturnType<Group['leader']>> & { group: Group; held: Held[] }> {
  const group = await Group.start(3)
  const leader = await group.leader()
  const held: Held[] = []
  leader.disk.held = held
  return { ...leader, group, held }
}

test('the disks of the others may be faster: then nobody waits for the own flush, and the batch ends with it', async () => {
  const { group, replica, disk, held } = await slowLeader()
  const long = startSpan('long')
  expect(await propose(replica, 'a')).toBe('a')
  expect(await propose(replica, 'late')).toBe('late')
  await context.with(trace.setSpan(context.active(), long), () => replica.propose(command('long')))
  expect(recorded.named('a').events.map(({ name }) => name)).toEqual(['replicated'])
  expect(recorded.named('late').events.map(({ name }) => name)).toEqual(['replicated'])
  expect(names().toSorted()).toEqual(['a', 'late', 'replicate', 'replicate', 'replicate'])
  disk.held = undefined
  held[0]?.end()
  await group.settled()
  expect(names().filter((name) => name === 'append' || name === 'flush')).toHaveLength(6)
  await replica.propose(command('untold'))
  long.end()
  expect(recorded.named('long').events.map(({ name }) => name)).toEqual(['replicated', 'flushed'])
  const appends = recorded.spans.filter(({ name }) => name === 'append')
  const waiting = ['a', 'late', 'long'].map((name) => recorded.named(name))
  expect(appends.flatMap(linked).toSorted()).toEqual(waiting.map(idOf).toSorted())
  expect(waiting.flatMap(linked).toSorted()).toEqual(appends.map(idOf).toSorted())
  const measured = await recorded.points('verdict.raft.replication.duration')
  expect(measured.map(({ value }) => value)).toMatchObject([{ count: 'noop, a, untold'.split(', ').length }])
})

test('a batch that a majority has, but not this disk, ends as an error when leadership is lost', async () => {
  const { id, group, replica } = await slowLeader()
  expect(await propose(replica, 'a')).toBe('a')
  expect(await propose(replica, 'not yet written')).toBe('not yet written')
  group.cut.add(id)
  await group.leader(id)
  const statuses = (of: string): unknown => recorded.spans.filter(({ name }) => name === of).map(({ status }) => status)
  const failed = { code: SpanStatusCode.ERROR, message: expect.any(String) }
  expect(statuses('append')).toEqual([failed, failed])
  expect(statuses('flush')).toEqual([failed])
  expect(statuses('replicate')).toEqual([unset, unset])
})

test('a batch is committed no earlier than its last entry', async () => {
  const group = await Group.start(3)
  const { id, replica } = await group.leader()
  const [follower = '', absent = ''] = group.members.filter((member) => member !== id)
  group.cut.add(absent)
  const disk = group.disks.get(follower)
  const held: Held[] = []
  if (disk !== undefined) disk.held = held
  const proposals = []
  for (const text of ['a', 'b']) {
    proposals.push(propose(replica, text))
    await group.settled()
  }
  expect(names()).toEqual(['flush', 'flush'])
  held[0]?.end()
  expect(await proposals[0]).toBe('a')
  await group.settled()
  expect(names().filter((name) => name === 'append')).toHaveLength(1)
  expect(await recorded.points('verdict.raft.replication.duration')).toMatchObject([{ value: { count: 2 } }])
  if (disk !== undefined) disk.held = undefined
  held[1]?.end()
  expect(await proposals[1]).toBe('b')
  const seen = ['a', 'b'].map((name) => recorded.named(name).events.map((event) => event.name))
  expect(seen).toEqual(Array(2).fill(['flushed', 'replicated']))
})

test('a span that ended before the write began waits for nothing', async () => {
  const group = await Group.start(1)
  const { replica } = await group.leader()
  const span = startSpan('impatient')
  const proposed = within(span, replica, 'a').catch(() => undefined)
  span.end()
  await proposed
  complaints.splice(0)
  expect(names()).toEqual(['impatient'])
})

test.each([
  ['nobody traces', () => undefined],
  ['nothing is sampled', () => unsampled],
])('when %s, no span is made', async (_, active) => {
  const group = await Group.start(3)
  const { replica } = await group.leader()
  const span = active()
  await outcomes(span === undefined ? replica.propose(command('a')) : within(span, replica, 'a'))
  await group.settled()
  expect(names()).toEqual([])
})

test('what is under way when leadership is lost ends as an error that says so, and the next leader has spans of its own', async () => {
  const group = await Group.start(3)
  const { id, replica } = await group.leader()
  group.cut.add(id)
  const lost = outcomes(propose(replica, 'a'))
  const next = await group.leader(id)
  await lost
  const status = { code: SpanStatusCode.ERROR, message: expect.stringContaining('leadership was lost') }
  expect(recorded.named('append').status).toEqual(status)
  expect(recorded.named('replicate').status).toEqual(status)
  expect(recorded.named('flush').status).toEqual(unset)
  await outcomes(propose(next.replica, 'b'))
  await group.settled()
  expect(recorded.spans.filter(({ name }) => name === 'append').map(linked)).toEqual([
    [idOf(recorded.named('a'))],
    [idOf(recorded.named('b'))],
  ])
})

test('a replica that stops leaves no span open', async () => {
  const group = await Group.start(3)
  const { id, replica } = await group.leader()
  group.cut.add(id)
  const lost = outcomes(propose(replica, 'a'))
  await group.settled()
  const stopping = group.stop()
  await group.pass(3_000) // it waits for its proposal, and for somebody to hand its leadership to
  await stopping
  await lost
  expect(names().toSorted()).toEqual(['a', 'append', 'flush', 'replicate'])
  expect(recorded.named('append').status.code).toBe(SpanStatusCode.ERROR)
})

test('what is under way when the disk fails ends as an error, with the flush', async () => {
  const group = await Group.start(1)
  const { replica, disk } = await group.leader()
  const held: Held[] = []
  disk.held = held
  const lost = outcomes(propose(replica, 'a'))
  await group.settled()
  held[0]?.end(new Error('the disk is full'))
  await lost
  for (const name of ['append', 'flush', 'replicate']) {
    const message = 'the replica failed: the disk is full'
    expect(recorded.named(name).status).toEqual({ code: SpanStatusCode.ERROR, message })
  }
})

test('each replica measures its flushes, and the leader how long a majority takes', async () => {
  const group = await Group.start(3)
  const { id, replica, disk } = await group.leader()
  const [other] = group.members.filter((member) => member !== id)
  group.cut.add(other ?? '')
  const held: Held[] = []
  disk.held = held
  const waiting = replica.propose(command('a'))
  await group.settled()
  await group.pass(30)
  held[0]?.end()
  await outcomes(waiting)
  const flushes = await recorded.points('verdict.raft.flush.duration')
  expect(new Set(flushes.map(({ attributes }) => attributes['verdict.replica']))).toEqual(new Set(group.members))
  expect(flushes.find(({ attributes }) => attributes['verdict.replica'] === id)?.value).toMatchObject({ max: 0.03 })
  expect(await recorded.points('verdict.raft.replication.duration')).toMatchObject([
    { attributes: { 'verdict.replica': id }, value: { count: 2, min: 0, max: 0.03 } },
  ])
})

test('a batch that lost its leader is no replication', async () => {
  const group = await Group.start(3)
  const { id, replica } = await group.leader()
  group.cut.add(id)
  const lost = outcomes(replica.propose(command('a')))
  await group.leader(id)
  await lost
  group.cut.clear()
  await group.pass(100)
  const measured = await recorded.points('verdict.raft.replication.duration')
  expect(measured.map(({ value }) => value)).toMatchObject([{ count: 1 }, { count: 1 }])
})

test('who leads is seen, and how often that changed, also when the leader stops', async () => {
  const group = await Group.start(3)
  const { id, replica } = await group.leader()
  const seen = async (name: string): Promise<unknown> =>
    Object.fromEntries(
      (await recorded.points(name)).map(({ attributes, value }) => [attributes['verdict.replica'], value]),
    )
  const all = (of: number): unknown => Object.fromEntries(group.members.map((member) => [member, of]))
  expect(await seen('verdict.raft.leading')).toEqual({ ...Object(all(0)), [id]: 1 })
  expect(await seen('verdict.raft.leader.changes')).toEqual(all(1))
  await replica.stop()
  const next = await group.leader(id)
  expect(await seen('verdict.raft.leading')).toEqual({ ...Object(all(0)), [next.id]: 1 })
  expect(await seen('verdict.raft.leader.changes')).toEqual(all(2))
  group.cut.add(next.id)
  await group.pass(1_000)
  expect(await seen('verdict.raft.leading')).toEqual(all(0))
})

test('proposals that wait are counted, and those that are refused by the name of the bound', async () => {
  const group = await Group.start(1, { maxUncommittedEntries: 2, maxReadsWaiting: 1 })
  const { id, replica, disk } = await group.leader()
  const held: Held[] = []
  disk.held = held
  const taken = ['a', 'b'].map((text) => replica.propose(command(text)))
  const [refused] = await outcomes(replica.propose(command('c')))
  expect(refused).toBeInstanceOf(OverloadedError)
  await outcomes(replica.confirmLeadership(), replica.confirmLeadership())
  expect((await recorded.points('verdict.raft.proposals.waiting')).map(({ value }) => value)).toEqual([2])
  disk.held = undefined
  for (const write of held) write.end()
  await outcomes(...taken)
  expect((await recorded.points('verdict.raft.proposals.waiting')).map(({ value }) => value)).toEqual([0])
  const refusals = await recorded.points('verdict.limit.refusals')
  expect(refusals.map(({ attributes, value }) => [attributes, value])).toEqual([
    [{ 'verdict.replica': id, 'verdict.limit': 'maxUncommittedEntries' }, 1],
    [{ 'verdict.replica': id, 'verdict.limit': 'maxReadsWaiting' }, 1],
  ])
})

test('bytes that wait are a bound of their own', async () => {
  const { replica } = await (await Group.start(1, { maxUncommittedBytes: 10 })).leader()
  await outcomes(replica.propose(command('a')), replica.propose(command('b')))
  const refusals = await recorded.points('verdict.limit.refusals')
  expect(refusals.map(({ attributes }) => attributes['verdict.limit'])).toEqual(['maxUncommittedBytes'])
})

test('a turn of the log belongs to no trace, whoever began it', async () => {
  const group = await Group.start(1)
  const { replica } = await group.leader()
  const seen: unknown[] = []
  group.events.push = (...events) => {
    seen.push(trace.getActiveSpan())
    return events.length
  }
  await outcomes(propose(replica, 'a'))
  expect(new Set(seen)).toEqual(new Set([undefined]))
})

test('a replica that stopped is not asked any more', async () => {
  const counter = { addCallback: vi.fn(), removeCallback: vi.fn() }
  const meter = Object.assign(Object.create(createNoopMeter()), { createObservableUpDownCounter: () => counter })
  metrics.disable()
  metrics.setGlobalMeterProvider({ getMeter: () => meter })
  const group = await Group.start(1)
  expect(counter.removeCallback).not.toHaveBeenCalled()
  await group.stop()
  expect(counter.removeCallback.mock.calls).toEqual(counter.addCallback.mock.calls)
})
