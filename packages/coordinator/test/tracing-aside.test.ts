import { diag, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { TraceContext } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Recorded } from '../../../test/telemetry/recorded.ts'
import { defaultSettings } from '../src/settings.ts'
import { decision, foreignId, id, instance, p, q, sealed } from './samples.ts'
import { Stage, settled } from './stage.ts'
import {
  acknowledge,
  asker,
  commit,
  complaints,
  contextOf,
  held,
  list,
  picture,
  trace,
  unsampled,
  voteAll,
} from './traced.ts'

let recorded: Recorded
let complained: readonly string[]
beforeEach(() => {
  recorded = new Recorded()
  complained = complaints()
})
afterEach(() => {
  recorded[Symbol.dispose]()
  diag.disable()
  expect(complained).toEqual([])
})

describe('what no caller waits for', () => {
  test('an outcome that is told again is a trace of its own, linked with the transaction', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    await voteAll(stage)
    stage.take('outcome')
    await acknowledge(stage, p)
    await stage.clock.pass(defaultSettings.resendMs + defaultSettings.waveMs)
    const [again] = stage.take('outcome')
    await acknowledge(stage, q)
    expect(picture(recorded).slice(-3)).toEqual([
      '  payments/outcome',
      '  quotes/outcome ERROR timeout',
      '/quotes/outcome ~ asker',
    ])
    const [first, second] = recorded.spans.filter(({ name }) => name === 'quotes/outcome')
    expect(first?.status.message).toBe('not acknowledged in time, sent again')
    expect(second?.attributes['verdict.attempt']).toBe(2)
    expect(again?.message.trace).toEqual(second && contextOf(second))
    expect(recorded.open).toBe(0)
  })

  test('an acknowledgement of something else ends nothing', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    await voteAll(stage)
    await acknowledge(stage, p, { applied: 'aborted' })
    expect(recorded.spans.map(({ name }) => name)).not.toContain('payments/outcome')
  })

  test('an outcome that nobody heard says so, and is told again at once', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    await voteAll(stage)
    stage.take('outcome')[0]?.options?.onNoResponders?.()
    expect(picture(recorded).filter((line) => line.includes('ERROR'))).toEqual(['  payments/outcome ERROR unreachable'])
  })

  test('an outcome that a new leader found in its store is a trace of its own, linked with that of the record', async () => {
    const found = { ...decision(id(1), 'committed'), trace }
    const stage = Stage.leading({}, ({ replica }) => replica.record(found))
    const told = stage.take('outcome')
    for (const of of [p, q]) await acknowledge(stage, of)
    expect(picture(recorded)).toEqual(['/payments/outcome ~ asker', '/quotes/outcome ~ asker'])
    expect(told[0]?.message.trace).toEqual(contextOf(recorded.named('payments/outcome')))
    expect(recorded.open).toBe(0)
  })

  test('an outcome for which there is no room to insist is told once, and is not waited for', async () => {
    const stage = Stage.leading({ maxDelivering: 0 })
    stage.ask(commit())
    await voteAll(stage)
    expect(stage.take('outcome')).toHaveLength(2)
    expect(recorded.open).toBe(0)
  })

  test('an outcome that cannot be honoured is red, with the hazard, and ends though nobody acknowledges it', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    await voteAll(stage)
    const { digest } = sealed(id(1), list)
    stage.speak(p, { type: 'hazard', id: id(1), digest, kind: 'effects-lost', note: 'gone' })
    await settled()
    expect(recorded.named('payments/outcome')).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'verdict.hazard': 'effects-lost', 'error.type': 'effects-lost' },
    })
  })

  test('a transaction that is taken up for a holder is a trace of its own, linked with that of the held branch', async () => {
    const stage = Stage.leading()
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [held()] })
    const [asked] = stage.take('prepare')
    await voteAll(stage)
    for (const of of [p, q]) await acknowledge(stage, of)
    expect(picture(recorded)).toEqual([
      '/take up ~ asker',
      '  votes',
      '    payments/prepare',
      '    quotes/prepare',
      '  decide',
      '  payments/outcome',
      '  quotes/outcome',
    ])
    expect(recorded.named('take up').attributes).toEqual({
      'verdict.transaction.id': id(1),
      'verdict.participant': p,
      'verdict.outcome': 'committed',
    })
    expect(asked?.message.trace).toEqual(contextOf(recorded.named('payments/prepare')))
    expect(recorded.open).toBe(0)
  })

  test('what was taken up and is not decided is left with no span open', async () => {
    const stage = Stage.leading()
    stage.replica.refusal = new Error('too many proposals wait')
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [held()] })
    await voteAll(stage)
    expect(picture(recorded)[0]).toBe('/take up ERROR too many proposals wait ~ asker')
    expect(recorded.open).toBe(0)
  })

  test('a client that comes back to what was taken up has a span of its own, linked with that', async () => {
    const stage = Stage.leading()
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [held()] })
    stage.ask(commit())
    stage.ask(commit())
    await voteAll(stage)
    expect(picture(recorded)[0]).toBe('coordinator/commit (repeated) ~ take up')
  })

  test('a holder who names no list waits for its owner until the budget of that is spent', async () => {
    const stage = Stage.leading()
    const { list: _, ...bare } = held()
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [bare] })
    await stage.clock.pass(defaultSettings.takeUpBudgetMs)
    expect(picture(recorded).slice(0, 2)).toEqual(['/take up ~ asker', '  decide'])
    expect(recorded.named('take up').attributes['verdict.outcome']).toBe('aborted')
  })
})

describe('a look', () => {
  test('is answered within a span below that of whoever asked', async () => {
    const stage = Stage.leading()
    stage.ask({ type: 'look', ids: [id(1), id(2)], trace })
    await settled()
    expect(picture(recorded)).toEqual(['coordinator/look'])
    expect(recorded.named('coordinator/look')).toMatchObject({
      kind: SpanKind.SERVER,
      attributes: { 'rpc.system.name': 'verdict', 'rpc.method': 'coordinator/look', 'verdict.inquired': 2 },
    })
  })

  test('into another group is red', () => {
    const stage = Stage.leading()
    stage.ask({ type: 'look', ids: [foreignId(1)], trace })
    expect(picture(recorded)).toEqual([expect.stringMatching(/^coordinator\/look ERROR .* belongs to another group/)])
  })
})

describe('what messages carry', () => {
  /** The trace that each message of a transaction carries which is asked for, decided, and told twice. */
  async function carried(asked: TraceContext): Promise<(TraceContext | undefined)[]> {
    const stage = Stage.leading()
    stage.ask(commit(1, { trace: asked }))
    await voteAll(stage)
    await stage.clock.pass(defaultSettings.resendMs + defaultSettings.waveMs)
    stage.speak(p, { type: 'inquiry', instance: instance(p), branches: [held(2, { trace: asked })] })
    const messages = [...stage.take('prepare'), ...stage.take('outcome')]
    expect(messages.map(({ message }) => message.type)).toEqual([
      ...Array(4).fill('prepare'),
      ...Array(4).fill('outcome'),
    ])
    return messages.map(({ message }) => message.trace)
  }

  test('is the trace of the transaction, unchanged, without an SDK', async () => {
    recorded[Symbol.dispose]()
    const whole = { traceparent: trace.traceparent, tracestate: 'vendor=1' }
    expect(await carried(whole)).toEqual(Array(8).fill(whole))
  })

  test('is nothing when the asker has no trace, without an SDK', async () => {
    recorded[Symbol.dispose]()
    const stage = Stage.leading()
    const { trace: _, ...bare } = commit()
    stage.ask(bare)
    await voteAll(stage)
    for (const { message } of [...stage.take('prepare'), ...stage.take('outcome')]) {
      expect(message).not.toHaveProperty('trace')
    }
  })

  test('is a context that is not sampled when the asker is not, and nothing is recorded', async () => {
    const stage = Stage.leading()
    stage.ask(commit(1, { trace: unsampled }))
    await voteAll(stage)
    await acknowledge(stage, p)
    const traces = [...stage.take('prepare'), ...stage.take('outcome')].map(({ message }) => message.trace?.traceparent)
    expect(traces).toHaveLength(4)
    for (const traceparent of traces) expect(traceparent).toMatch(new RegExp(`^00-${asker.traceId}-[0-9a-f]{16}-00$`))
    expect(recorded.spans).toEqual([])
  })
})
