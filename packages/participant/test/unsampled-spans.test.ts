import { AlwaysOnSampler, ParentBasedSampler, type Sampler } from '@opentelemetry/sdk-trace'
import { type BranchList, digestOf, type Token, type TraceContext } from '@verdict/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import { calledList, id, idOf } from './names.ts'
import { Recorded } from './recorded.ts'
import { Stage } from './stage.ts'
import { linksOf, parentOf, senderOf, spanOf, traceId } from './traces.ts'

/** Remembers for which spans it was asked. */
class Watched implements Sampler {
  readonly asked: string[] = []
  readonly #sampler: Sampler

  constructor(sampler: Sampler) {
    this.#sampler = sampler
  }

  shouldSample(...[parent, trace, name, ...rest]: Parameters<Sampler['shouldSample']>) {
    this.asked.push(name)
    return this.#sampler.shouldSample(parent, trace, name, ...rest)
  }

  toString(): string {
    return 'Watched'
  }
}

const followsCaller = (): Watched => new Watched(new ParentBasedSampler({ root: new AlwaysOnSampler() }))
const nobody: TraceContext = { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00` }
const [caller, leader, later] = [senderOf(1, '00'), senderOf(2, '00'), senderOf(3, '00')]

let recorded: Recorded | undefined
afterEach(() => recorded?.[Symbol.dispose]())

async function stageWith(sampler: Sampler): Promise<Stage> {
  recorded = new Recorded(sampler)
  return Stage.set({}, 1, recorded)
}

interface Traces {
  readonly call: TraceContext
  readonly prepare: TraceContext
  readonly outcome: TraceContext
}

const unsampled: Traces = { call: caller, prepare: leader, outcome: later }

async function prepared(stage: Stage, traces: Traces): Promise<{ readonly list: BranchList; readonly token: Token }> {
  const token = await stage.opened('a', { trace: traces.call })
  const list = calledList(stage.instance(), token, 1)
  stage.prepare(list, { to: stage.instance(), trace: traces.prepare })
  await stage.settle()
  return { list, token }
}

async function committed(stage: Stage, traces: Traces): Promise<void> {
  const { list, token } = await prepared(stage, traces)
  stage.outcome('committed', list, token, { trace: traces.outcome })
  await stage.settle()
  expect(stage.said('ack')).toHaveLength(1)
}

describe('a transaction that its caller does not sample', () => {
  test('asks the sampler once, and all of it has its identity', async () => {
    const sampler = followsCaller()
    const stage = await stageWith(sampler)
    await committed(stage, unsampled)
    expect(sampler.asked).toEqual(['payments/write'])
    expect(stage.store.traceIds).toEqual({ open: traceId, prepare: traceId, finish: traceId })
    expect(recorded?.spans).toEqual([])
  })

  test('is recorded whole by a sampler that does not follow the caller', async () => {
    const stage = await stageWith(new AlwaysOnSampler())
    await committed(stage, unsampled)
    for (const [name, from] of [
      ['payments/write', caller],
      ['payments/prepare', leader],
      ['payments/outcome', later],
    ] as const) {
      expect(recorded && parentOf(recorded.named(name))).toBe(spanOf(from))
    }
  })

  test('is recorded where its leader records it', async () => {
    const stage = await stageWith(followsCaller())
    await committed(stage, { ...unsampled, prepare: senderOf(2), outcome: senderOf(3) })
    expect(recorded?.tree.filter((line) => !line.startsWith(' '))).toEqual([
      'SERVER payments/prepare',
      'SERVER payments/outcome',
    ])
  })

  test('asks the sampler about what comes to an instance that does not know the branch', async () => {
    const sampler = followsCaller()
    const stage = await stageWith(sampler)
    const { list, token } = await prepared(stage, unsampled)
    await stage.start('payments-2')
    sampler.asked.length = 0
    stage.prepare(list, { to: stage.instance(2), trace: leader })
    stage.outcome('committed', list, token, { to: stage.instance(2), trace: later })
    await stage.settle()
    expect(sampler.asked).toEqual(['payments/prepare', 'payments/outcome'])
  })

  test('has each later attempt to apply its outcome as a root of its own', async () => {
    const stage = await stageWith(followsCaller())
    const { list, token } = await prepared(stage, unsampled)
    stage.store.script('finish', new Error('The disk is slow.'))
    stage.outcome('committed', list, token, { trace: later })
    await stage.settle(1_000)
    const attempt = recorded?.named('payments/outcome')
    expect(attempt?.attributes['verdict.attempt']).toBe(2)
    expect(attempt && linksOf(attempt)).toEqual([spanOf(later)])
  })

  test('has an outcome that an inquiry brought as a root of its own', async () => {
    const stage = await stageWith(followsCaller())
    const { list, token } = await prepared(stage, unsampled)
    const answers = [{ id, digest: digestOf(id, list), answer: 'committed' as const, token }]
    stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
    await stage.settle()
    expect(recorded && linksOf(recorded.named('payments/outcome'))).toEqual([spanOf(caller)])
  })
})

describe('a branch that its caller samples', () => {
  test('is recorded whole by a sampler that does not follow the leader', async () => {
    const stage = await stageWith(new AlwaysOnSampler())
    await committed(stage, { ...unsampled, call: senderOf(1) })
    expect(recorded?.spans.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['payments/write', 'payments/prepare', 'payments/outcome']),
    )
  })
})

test.each([
  ['a caller that samples', senderOf(9)],
  ['a caller whose context names nobody', nobody],
])('%s does not make the sampler one that follows nobody', async (_, first) => {
  const sampler = followsCaller()
  const stage = await stageWith(sampler)
  stage.call({ operation: 'read', id: idOf(9), trace: first }, {})
  await stage.settle()
  expect(recorded?.spans.map(({ name }) => name)).toContain('payments/read')
  await committed(stage, unsampled)
  expect(sampler.asked.filter((name) => name.startsWith('payments/'))).toEqual(['payments/read', 'payments/write'])
})
