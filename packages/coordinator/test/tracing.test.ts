import { trace as activeSpan, context, diag, SpanKind } from '@opentelemetry/api'
import { sealList } from '@verdict/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { idOf, Recorded } from '../../../test/telemetry/recorded.ts'
import { defaultSettings } from '../src/settings.ts'
import {
  calledList,
  decision,
  id,
  instance,
  oneShot,
  operations,
  p,
  prepared,
  q,
  readOnly,
  refused,
  s,
} from './samples.ts'
import { Stage, settled } from './stage.ts'
import { abort, acknowledge, commit, complaints, contextOf, picture, trace, vote, voteAll } from './traced.ts'

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

describe('a commit', () => {
  test('is one tree from the request to the last acknowledgement, below the span of whoever asked', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    const prepares = stage.take('prepare')
    await voteAll(stage)
    const outcomes = stage.take('outcome')
    await acknowledge(stage, p)
    expect(recorded.open).toBe(1)
    await acknowledge(stage, q)
    expect(picture(recorded)).toEqual([
      'coordinator/commit',
      '  votes',
      '    payments/prepare',
      '    quotes/prepare',
      '  decide',
      '  payments/outcome',
      '  quotes/outcome',
    ])
    expect(recorded.open).toBe(0)
    for (const [kind, sent] of [
      ['prepare', prepares],
      ['outcome', outcomes],
    ] as const) {
      const traces = sent.map(({ message }) => (message.type === kind ? message.trace : undefined))
      expect(traces).toEqual(['payments', 'quotes'].map((of) => contextOf(recorded.named(`${of}/${kind}`))))
    }
    expect(stage.proposals('decide')).toMatchObject([{ decision: { trace } }])
  })

  test('says what it was, who voted what, and what came of it, by the conventions', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    await voteAll(stage)
    await acknowledge(stage, p)
    const call = { 'rpc.system.name': 'verdict', 'verdict.transaction.id': id(1) }
    expect(recorded.named('coordinator/commit')).toMatchObject({
      kind: SpanKind.SERVER,
      attributes: {
        ...call,
        'rpc.method': 'coordinator/commit',
        'verdict.transaction.branches': 2,
        'verdict.mode': 'interactive',
        'verdict.outcome': 'committed',
        'verdict.path': 'logged',
      },
    })
    expect(recorded.named('payments/prepare')).toMatchObject({
      kind: SpanKind.CLIENT,
      attributes: { ...call, 'rpc.method': 'payments/prepare', 'verdict.participant': p, 'verdict.vote': 'prepared' },
    })
    expect(recorded.named('decide').attributes).toEqual({ 'verdict.outcome': 'committed' })
    expect(recorded.named('payments/outcome')).toMatchObject({
      kind: SpanKind.CLIENT,
      attributes: {
        ...call,
        'rpc.method': 'payments/outcome',
        'verdict.participant': p,
        'verdict.outcome': 'committed',
      },
    })
    expect(recorded.named('payments/outcome').attributes).not.toHaveProperty('verdict.attempt')
  })

  test('proposes its decision within a span, and what serves many transactions within none', async () => {
    const stage = Stage.leading()
    const { replica } = stage
    const proposers: (string | undefined)[] = []
    const propose = replica.propose.bind(replica)
    replica.propose = (bytes) => {
      proposers.push(activeSpan.getActiveSpan()?.spanContext().spanId)
      return propose(bytes)
    }
    const somebody = activeSpan.getTracer('test').startSpan('somebody')
    await context.with(activeSpan.setSpan(context.active(), somebody), async () => {
      stage.ask(commit())
      await voteAll(stage)
      stage.speak(p, { type: 'hazard', id: id(1), digest: commit().digest, kind: 'effects-lost', note: 'gone' })
      stage.ask(commit(2))
      await voteAll(stage, 2)
      for (const of of [p, q]) await acknowledge(stage, of, { id: id(2), digest: commit(2).digest })
      await stage.clock.pass(Math.max(defaultSettings.settleDelayMs, defaultSettings.epochMs))
    })
    somebody.end()
    const decides = recorded.spans.filter(({ name }) => name === 'decide').map(idOf)
    expect(stage.replica.proposed.map(({ kind }) => kind)).toEqual(['decide', 'hazard', 'decide', 'settled', 'advance'])
    expect(proposers).toEqual([decides[0], undefined, decides[1], undefined, undefined])
  })

  test('that only read decides nothing', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    for (const of of [p, q]) vote(stage, of, readOnly(of))
    await settled()
    expect(picture(recorded)).toEqual(['coordinator/commit', '  votes', '    payments/prepare', '    quotes/prepare'])
    expect(recorded.named('coordinator/commit').attributes).toMatchObject({ 'verdict.path': 'read-only' })
    expect(recorded.open).toBe(0)
  })

  test('in one shot says so', async () => {
    const stage = Stage.leading()
    const branches = sealList([oneShot(p), oneShot(q)])
    stage.ask(commit(1, { list: branches, operations: [operations, operations] }))
    for (const of of [p, q]) vote(stage, of, prepared(of), 1, branches)
    await settled()
    expect(recorded.named('coordinator/commit').attributes['verdict.mode']).toBe('one-shot')
  })

  test('is red where it was refused, and in the votes that this brought down, and nowhere else', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    vote(stage, q, refused(q))
    await settled()
    await acknowledge(stage, p, { applied: 'aborted' })
    expect(picture(recorded)).toEqual([
      'coordinator/commit',
      '  votes ERROR insufficient-funds',
      '    payments/prepare',
      '    quotes/prepare ERROR insufficient-funds',
      '  decide',
      '  payments/outcome',
    ])
    const why = { 'verdict.reason.code': 'insufficient-funds', 'verdict.reason.message': 'No.' }
    expect(recorded.named('quotes/prepare').attributes).toMatchObject({ ...why, 'verdict.vote': 'refused' })
    expect(recorded.named('coordinator/commit').attributes).toMatchObject({ ...why, 'verdict.outcome': 'aborted' })
    expect(recorded.open).toBe(0)
  })

  test('shows who was silent, how often it was asked, and that the budget was spent on it', async () => {
    const stage = Stage.leading()
    stage.ask(commit(1, { leftMs: 2_000 }))
    vote(stage, p)
    await stage.clock.pass(defaultSettings.resendMs)
    await stage.clock.pass(2_000)
    expect(picture(recorded).slice(0, 5)).toEqual([
      'coordinator/commit',
      '  votes ERROR budget-spent',
      '    payments/prepare',
      '    quotes/prepare ERROR budget-spent (resent) (resent)',
      '  decide',
    ])
    const resent = recorded.named('quotes/prepare').events.map(({ attributes }) => attributes?.['verdict.attempt'])
    expect(resent).toEqual([2, 3])
    expect(
      new Set(
        stage
          .take('prepare')
          .flatMap(({ message, subject }) => (subject.includes(q) ? [message.trace?.traceparent] : [])),
      ),
    ).toEqual(new Set([contextOf(recorded.named('quotes/prepare')).traceparent]))
  })

  test('whose participant is busy waits on for its vote', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    vote(stage, p, { kind: 'busy', instance: instance(p), found: 'underway' })
    expect(recorded.spans).toEqual([])
    await voteAll(stage)
    expect(recorded.named('payments/prepare').attributes['verdict.vote']).toBe('prepared')
  })

  test('whose unprepared branch died with its instance is red there, and where it ended', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    stage.take('prepare')[0]?.options?.onNoResponders?.()
    vote(stage, p, { kind: 'busy', instance: instance(p, 1), found: 'nothing' })
    await settled()
    expect(picture(recorded).slice(0, 4)).toEqual([
      'coordinator/commit',
      '  votes ERROR instance-gone',
      '    payments/prepare ERROR instance-gone (resent)',
      '    quotes/prepare',
    ])
  })

  test('that its owner gave up has an abort beside it, linked with it, and no failure', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    stage.ask(abort())
    await settled()
    expect(picture(recorded).filter((line) => !line.includes('outcome'))).toEqual([
      'coordinator/commit',
      '  votes',
      '    payments/prepare',
      '    quotes/prepare',
      '  decide',
      'coordinator/abort ~ coordinator/commit',
    ])
  })

  test('that comes again joins the one under way, and is answered within its span', async () => {
    const stage = Stage.leading()
    const request = stage.ask(commit())
    stage.ask(commit(), { request })
    stage.ask(commit())
    await voteAll(stage)
    expect(recorded.named('coordinator/commit').events.map(({ name }) => name)).toEqual(['repeated', 'repeated'])
    stage.ask(commit())
    expect(recorded.spans.filter(({ name }) => name === 'coordinator/commit')).toHaveLength(2)
  })

  test('that waits until all is applied is under way until it is told so', async () => {
    const stage = Stage.leading()
    stage.ask(commit(1, { wait: 'applied' }))
    await voteAll(stage)
    const names = (): string[] => recorded.spans.map(({ name }) => name)
    expect(names()).not.toContain('coordinator/commit')
    await acknowledge(stage, p)
    await acknowledge(stage, q)
    expect(names()).toContain('coordinator/commit')
  })

  test('under another list is told of the conflict in red', async () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    stage.ask(commit(1, { list: calledList(p, s) }))
    expect(picture(recorded)).toEqual(['coordinator/commit ERROR conflict'])
  })

  test('that is refused for want of room is red, and has nothing below it', async () => {
    const stage = Stage.leading({ maxUnderway: 1 })
    stage.ask(commit(1))
    stage.ask(commit(2))
    expect(picture(recorded)).toEqual(['coordinator/commit ERROR overloaded'])
  })

  test('that the log does not take fails in its decision, and leaves no span open', async () => {
    const stage = Stage.leading()
    stage.replica.refusal = new Error('too many proposals wait')
    stage.ask(commit())
    await voteAll(stage)
    expect(picture(recorded)).toEqual([
      'coordinator/commit ERROR pending',
      '  votes',
      '    payments/prepare',
      '    quotes/prepare',
      '  decide ERROR too many proposals wait',
    ])
    expect(recorded.open).toBe(0)
  })

  test('whose askers are too many leaves no span open for the forgotten ones', async () => {
    const stage = Stage.leading({ maxWaiters: 2 })
    stage.ask(commit())
    for (const of of [p, q]) stage.ask(commit(1, { list: calledList(of, s) }))
    expect(picture(recorded)).toEqual([expect.stringMatching(/^coordinator\/commit ERROR too many wait/)])
    stage.ask(commit())
    expect(recorded.spans).toHaveLength(2)
    stage.leader.stop()
    expect(recorded.open).toBe(0)
  })
})

describe('a leader that is lost', () => {
  const lost = 'ERROR leadership lost; whoever leads next goes on'

  test('while votes come in ends all that is open, and says why', () => {
    const stage = Stage.leading()
    stage.ask(commit())
    vote(stage, p)
    stage.leader.stop()
    expect(picture(recorded)).toEqual([
      `coordinator/commit ${lost}`,
      `  votes ${lost}`,
      '    payments/prepare',
      `    quotes/prepare ${lost}`,
    ])
    expect(recorded.open).toBe(0)
  })

  test('while the log has the decision ends it once, whatever comes of it later', async () => {
    const stage = Stage.leading()
    stage.replica.held = true
    stage.ask(commit())
    await voteAll(stage)
    stage.leader.stop()
    stage.replica.release()
    await settled()
    expect(picture(recorded).at(-1)).toBe(`  decide ${lost}`)
    expect(recorded.open).toBe(0)
  })

  test('while outcomes are told ends these, and whoever waits for them', async () => {
    const stage = Stage.leading()
    stage.ask(commit(1, { wait: 'applied' }))
    await voteAll(stage)
    await acknowledge(stage, p)
    stage.leader.stop()
    expect(picture(recorded).filter((line) => line.includes('ERROR'))).toEqual([
      `coordinator/commit ${lost}`,
      `  quotes/outcome ${lost}`,
    ])
    expect(recorded.open).toBe(0)
  })

  test('while a look waits for its confirmation ends that', async () => {
    const stage = Stage.leading()
    stage.replica.unconfirmed = true
    stage.ask({ type: 'look', ids: [id(1)], trace })
    stage.leader.stop()
    stage.replica.depose()
    await settled()
    expect(picture(recorded)).toEqual(['coordinator/look ERROR Leadership is lost.'])
    expect(recorded.open).toBe(0)
  })

  test('before it tells what a confirmed look found ends that too', async () => {
    const stage = Stage.leading()
    stage.replica.unconfirmed = true
    stage.ask({ type: 'look', ids: [id(1)], trace })
    stage.leader.stop()
    stage.replica.confirm()
    await settled()
    expect(picture(recorded)).toEqual([`coordinator/look ${lost}`])
  })
})
