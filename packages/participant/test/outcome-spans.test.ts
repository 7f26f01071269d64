import { SpanStatusCode } from '@opentelemetry/api'
import { type BranchList, digestOf, type Token, type TraceContext } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { calledList, group, id, idOf, instanceOf, me, tokenOf } from './names.ts'
import { Recorded } from './recorded.ts'
import { Stage } from './stage.ts'
import {
  client,
  eventsOf,
  later,
  linksOf,
  type PreparedStage,
  parentOf,
  preparedStage,
  senderOf,
  spanOf,
} from './traces.ts'

let recorded: Recorded

beforeEach(() => {
  recorded = new Recorded()
})

afterEach(() => recorded[Symbol.dispose]())

const set = (settings = {}, instances = 1): Promise<Stage> => Stage.set(settings, instances, recorded)
const prepared = (settings = {}, opening?: { readonly trace?: TraceContext }): Promise<PreparedStage> =>
  preparedStage(recorded, settings, opening)

function answer(
  stage: Stage,
  list: BranchList,
  how: 'committed' | 'discard',
  token: Token,
  trace?: TraceContext,
): void {
  const answers = [{ id, digest: digestOf(id, list), answer: how, token, ...(trace && { trace }) }]
  stage.control({ type: 'inquiryAnswer', answers, horizon: 0 as never }, stage.instance())
}

describe('an outcome', () => {
  test('is one span from its message to its acknowledgement, above what the resource does', async () => {
    const { stage, list, token } = await prepared()
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token, { trace: later })
    await stage.settle()
    expect(recorded.spans.map(({ name }) => name)).not.toContain('payments/outcome')
    release()
    await stage.settle()
    expect(recorded.tree.slice(-2)).toEqual(['SERVER payments/outcome', '  INTERNAL store finish'])
    const span = recorded.named('payments/outcome')
    expect(parentOf(span)).toBe(spanOf(later))
    expect(span.attributes).toMatchObject({
      'rpc.method': 'payments/outcome',
      'verdict.transaction.id': id,
      'verdict.outcome': 'committed',
      'verdict.ending': 'committed',
    })
  })

  test('aborted, of what is not here, looks and leaves a tombstone within the span', async () => {
    const stage = await set()
    stage.outcome('aborted', calledList(instanceOf(5), tokenOf(5), 1), undefined, { trace: later })
    await stage.settle()
    expect(recorded.tree).toEqual(['SERVER payments/outcome', '  INTERNAL store look', '  INTERNAL store tombstone'])
  })

  test('that cannot be applied is given up to attempts of their own, linked to the sender', async () => {
    const { stage, list, token } = await prepared({ retryMs: 10 })
    recorded.reset()
    stage.store.script('finish', 'busy', new TypeError('away'))
    stage.outcome('committed', list, token, { trace: later })
    await stage.settle(200)
    expect(recorded.tree).toEqual([
      'SERVER payments/outcome !busy',
      '  INTERNAL store finish',
      'SERVER payments/outcome !TypeError',
      '  INTERNAL store finish',
      'SERVER payments/outcome',
      '  INTERNAL store finish',
    ])
    const [first, second, third] = [0, 1, 2].map((n) => recorded.named('payments/outcome', n))
    expect(first && [parentOf(first), linksOf(first)]).toEqual([spanOf(later), []])
    expect(second && [parentOf(second), linksOf(second), eventsOf(second)]).toEqual([
      undefined,
      [spanOf(later)],
      ['exception'],
    ])
    expect(third?.attributes).toMatchObject({ 'verdict.attempt': 3, 'verdict.ending': 'committed' })
  })

  test('told once more while it is applied is joined', async () => {
    const { stage, list, token } = await prepared()
    const release = stage.store.hold('finish')
    stage.outcome('committed', list, token, { trace: later })
    stage.outcome('committed', list, token, { trace: senderOf(9) })
    await stage.settle()
    release()
    await stage.settle()
    expect(eventsOf(recorded.named('payments/outcome'))).toEqual(['repeated'])
  })

  test('that cannot be honoured is an error', async () => {
    const stage = await set()
    stage.outcome('committed', calledList(instanceOf(5), tokenOf(5), 1), tokenOf(5), { trace: later })
    await stage.settle()
    expect(recorded.tree[0]).toBe('SERVER payments/outcome !effects-lost')
    expect(recorded.named('payments/outcome').attributes).toMatchObject({
      'verdict.ending': 'hazard',
      'verdict.hazard': 'effects-lost',
    })
  })

  test.each(['committed', 'discard'] as const)(
    'told by the answer to an inquiry (%s) is a trace of its own, linked to that of the branch',
    async (how) => {
      const { stage, list, token } = await prepared()
      recorded.reset()
      answer(stage, list, how, token, later)
      await stage.settle()
      const span = recorded.named('payments/outcome')
      expect([parentOf(span), linksOf(span)]).toEqual([undefined, [spanOf(client)]])
      expect(span.attributes['verdict.ending']).toBe(how === 'discard' ? 'discarded' : how)
      expect(recorded.tree.at(-1)).toBe('  INTERNAL store finish')
    },
  )

  test('for a branch that knows no trace, as after a restart, is linked to that of the answer', async () => {
    const { stage, list, token } = await prepared({}, {})
    answer(stage, list, 'committed', token, later)
    await stage.settle()
    expect(linksOf(recorded.named('payments/outcome'))).toEqual([spanOf(later)])
  })
})

describe('an inquiry', () => {
  const settings = {
    inquireAfterMs: 1_000,
    inquiryPauseMs: 60_000,
    maxInquiryPauseMs: 60_000,
    inquirySpreadMs: 0,
    sweepMs: 60_000,
  }

  test('is a trace of its own, linked to those of the branches', async () => {
    const { stage } = await prepared(settings)
    await stage.settle(1_100)
    const span = recorded.named('coordinator/inquiry')
    expect([parentOf(span), linksOf(span)]).toEqual([undefined, [spanOf(client)]])
    expect(span.attributes).toEqual({
      'rpc.system.name': 'verdict',
      'rpc.method': 'coordinator/inquiry',
      'verdict.participant': me,
      'verdict.group': group,
      'verdict.inquired': 1,
    })
    expect(span.status.code).toBe(SpanStatusCode.UNSET)
    expect(recorded.tree.at(-1)).toBe('CLIENT coordinator/inquiry')
  })

  test('about many is linked to the first 32 that have a trace', async () => {
    const stage = await set(settings, 0)
    for (let n = 1; n <= 40; n += 1) {
      const [list, token] = [calledList(instanceOf(9), tokenOf(9), 1), tokenOf(9)]
      const row = { id: idOf(n), digest: digestOf(idOf(n), list), token, writes: [], history: 'same' as const }
      stage.store.prepared.set(idOf(n), n <= 4 ? row : { ...row, trace: senderOf(n) })
    }
    await stage.start('payments-1')
    await stage.settle(1_100)
    const span = recorded.named('coordinator/inquiry')
    expect(span.attributes['verdict.inquired']).toBe(40)
    expect(linksOf(span)).toEqual(Array.from({ length: 32 }, (_, n) => spanOf(senderOf(n + 5))))
  })
})
