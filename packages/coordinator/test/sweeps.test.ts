import { maxIdsPerMessage, type SweptRow } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { encodeCommand } from '../src/command.ts'
import { recordOf, unsettledCount } from '../src/records.ts'
import { defaultSettings } from '../src/settings.ts'
import { calledList, decision, foreignId, group, id, instance, otherDigest, p, q, sealed, token } from './samples.ts'
import { on, Stage, settled } from './stage.ts'

const list = calledList(p, q)
const keptEpochs = 3

function row(number: number, over: Partial<SweptRow> = {}): SweptRow {
  return { id: id(number), digest: sealed(id(number), list).digest, token: token(p), ...over }
}

function sweep(stage: Stage, ...rows: SweptRow[]): void {
  stage.speak(p, { type: 'sweep', instance: instance(p), rows })
}

const answers = (stage: Stage): string[] =>
  stage.take('sweepAnswer').flatMap(({ message }) => message.answers.map(({ answer }) => answer))

/** A leader of a group whose horizon has passed the first epoch; these are committed and not settled. */
function leading(...unsettled: number[]): Stage {
  return Stage.leading({ keptEpochs }, ({ replica }) => {
    for (const number of unsettled) replica.record(decision(id(number), 'committed'))
    for (let times = 0; times < keptEpochs; times += 1) replica.apply(encodeCommand({ kind: 'advance', keptEpochs }))
  })
}

describe('R12: a sweep', () => {
  test('is answered at the instance that asked, with the horizon', async () => {
    const stage = leading()
    sweep(stage, row(1))
    await settled()
    expect(stage.take('sweepAnswer')).toMatchObject([
      {
        subject: on.controlInstance(group, p, instance(p)),
        message: { answers: [{ id: id(1), answer: 'forgotten' }], horizon: 1 },
      },
    ])
  })

  test('says forgotten once leadership is confirmed, and nothing when it is not', async () => {
    const stage = leading()
    stage.replica.unconfirmed = true
    sweep(stage, row(1))
    await settled()
    expect(answers(stage)).toEqual([])
    stage.replica.confirm()
    await settled()
    expect(answers(stage)).toEqual(['forgotten'])
    sweep(stage, row(1))
    stage.replica.depose()
    await settled()
    expect(answers(stage)).toEqual([])
  })

  test('keeps what has a record, and what lies before the horizon', async () => {
    const stage = leading(1)
    sweep(stage, row(1), row(2, { id: id(2, { epoch: 2 }) }))
    await settled()
    expect(answers(stage)).toEqual(['kept', 'kept'])
  })

  test('acknowledges what is kept, so that it settles and is forgotten', async () => {
    const stage = leading(1)
    sweep(stage, row(1))
    const { digest } = row(1)
    stage.speak(q, { type: 'ack', id: id(1), digest, instance: instance(q), applied: 'committed' })
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({ settled: true })
    await stage.clock.pass(defaultSettings.epochMs)
    sweep(stage, row(1))
    await settled()
    expect(answers(stage)).toEqual(['kept', 'forgotten'])
  })

  test.each([
    ['another list', { digest: otherDigest(id(1)) }],
    ['another opening', { token: token(p, 7) }],
  ] as const)('of a row of %s acknowledges nothing', async (_, over) => {
    const stage = leading(1)
    sweep(stage, row(1, over))
    stage.speak(q, { type: 'ack', id: id(1), digest: row(1).digest, instance: instance(q), applied: 'committed' })
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(unsettledCount(stage.replica.space, 10)).toBe(1)
  })

  test('of a row that contradicts an abort acknowledges nothing', async () => {
    const stage = Stage.leading({ keptEpochs }, ({ replica }) => replica.record(decision(id(1), 'aborted')))
    sweep(stage, row(1))
    stage.speak(q, { type: 'ack', id: id(1), digest: row(1).digest, instance: instance(q), applied: 'aborted' })
    await stage.clock.pass(defaultSettings.settleDelayMs)
    expect(unsettledCount(stage.replica.space, 10)).toBe(1)
    expect(answers(stage)).toEqual(['kept'])
  })

  test("of another group's rows is not answered; of many rows it is in one message", async () => {
    const stage = leading()
    sweep(stage, row(1, { id: foreignId(1) }))
    await settled()
    expect(stage.take('sweepAnswer')).toEqual([])
    sweep(stage, ...Array.from({ length: maxIdsPerMessage }, (_, place) => row(place + 1)))
    await settled()
    expect(stage.take('sweepAnswer').map(({ message }) => message.answers.length)).toEqual([maxIdsPerMessage])
  })
})
