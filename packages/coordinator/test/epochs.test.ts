import { describe, expect, test } from 'vitest'
import { encodeCommand } from '../src/command.ts'
import { epochOf, horizonOf, maxForgottenPerEntry } from '../src/forgetting.ts'
import { recordOf } from '../src/records.ts'
import { defaultSettings } from '../src/settings.ts'
import { calledList, decision, id, owner, p, prepared, q, refused, sealed } from './samples.ts'
import { on, Stage, type StageSettings, settled } from './stage.ts'

const keptEpochs = 3
const { epochMs } = defaultSettings
const list = calledList(p, q)

function leading(settings: StageSettings = {}, before?: (stage: Stage) => void): Stage {
  return Stage.leading({ keptEpochs, ...settings }, before)
}

const position = ({ replica }: Stage): number[] => [epochOf(replica.space), horizonOf(replica.space)]
const proposals = ({ replica }: Stage): string[] => replica.proposed.splice(0).map(({ kind }) => kind)

/** Nothing is left to do: the horizon has passed all that may have been used. */
async function resting(stage: Stage): Promise<void> {
  await stage.clock.pass(10 * keptEpochs * epochMs)
  proposals(stage)
  stage.take('announce')
}

async function refuse(stage: Stage, number: number, epoch: number): Promise<void> {
  const { digest } = sealed(id(number, { epoch }), list)
  stage.ask({ type: 'commit', id: id(number, { epoch }), list, digest, leftMs: 5_000, wait: 'decided' })
  stage.speak(p, { type: 'vote', id: id(number, { epoch }), digest, vote: refused(p) })
  await settled()
}

describe('R11: the epoch', () => {
  test('moves until the horizon has passed what an earlier leader may have told, is announced each time, and rests', async () => {
    const stage = leading()
    stage.take('announce')
    await stage.clock.pass(100 * epochMs)
    expect(position(stage)).toEqual([1 + keptEpochs, 1])
    expect(stage.take('announce').map(({ message: { epoch, horizon } }) => [epoch, horizon])).toEqual([
      [2, 0],
      [3, 0],
      [4, 1],
    ])
  })

  test.each([
    ['greets', (stage: Stage) => stage.ask({ type: 'hello' }, { subject: on.hello('main' as never, owner) })],
    ['looks', (stage: Stage) => stage.look([id(1)])],
    ['decides', (stage: Stage) => refuse(stage, 1, 4)],
  ] as const)('moves on after somebody %s, until the horizon has passed that', async (_, act) => {
    const stage = leading()
    await resting(stage)
    const [epoch = 0] = position(stage)
    await act(stage)
    await stage.clock.pass(100 * epochMs)
    expect(position(stage)).toEqual([epoch + keptEpochs, epoch])
  })

  test('is proposed again, after a while, by whom the log refused', async () => {
    const stage = leading()
    stage.replica.refusal = new Error('The log is overloaded.')
    await stage.clock.pass(epochMs)
    stage.replica.refusal = undefined
    expect(position(stage)).toEqual([1, 0])
    await stage.clock.pass(epochMs)
    expect(position(stage)).toEqual([2, 0])
  })

  test('is proposed once at a time, however slow the log is', async () => {
    const stage = leading()
    stage.replica.held = true
    await stage.clock.pass(5 * epochMs)
    expect(proposals(stage)).toEqual(['advance'])
  })

  test('moves no more once the leader has stopped', async () => {
    const stage = leading()
    stage.leader.stop()
    await stage.clock.pass(10 * epochMs)
    expect(proposals(stage)).toEqual([])
  })
})

describe('R11: forgetting', () => {
  test('goes on entry by entry, without waiting for the next epoch, until nothing is left', async () => {
    const many = 2 * maxForgottenPerEntry + 1
    const stage = leading({}, ({ replica }) => {
      for (let number = 1; number <= many; number += 1) replica.record(decision(id(number), 'aborted'))
    })
    await stage.clock.pass(keptEpochs * epochMs)
    expect(proposals(stage)).toEqual(['advance', 'advance', 'advance', 'forget', 'forget'])
    expect(recordOf(stage.replica.space, id(many))).toBeUndefined()
    const counts = stage.events.flatMap((event) => (event.kind === 'forgotten' ? [event.count] : []))
    expect(counts).toEqual([maxForgottenPerEntry, maxForgottenPerEntry, 1])
  })

  test('an epoch moves, too, for what an old transaction leaves when it is settled at last', async () => {
    const stage = leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    await resting(stage)
    expect(recordOf(stage.replica.space, id(1))).toMatchObject({ settled: false })
    stage.replica.apply(encodeCommand({ kind: 'settled', ids: [id(1)] }))
    await stage.clock.pass(epochMs)
    expect(proposals(stage)).toEqual(['advance'])
    expect(recordOf(stage.replica.space, id(1))).toBeUndefined()
  })

  test('nobody is told an abort any more that was forgotten, and its memory is free', async () => {
    const stage = leading()
    const { digest } = sealed(id(1), list)
    stage.ask({ type: 'commit', id: id(1), list, digest, leftMs: 5_000, wait: 'decided' })
    stage.speak(p, { type: 'vote', id: id(1), digest, vote: prepared(p) })
    stage.speak(q, { type: 'vote', id: id(1), digest, vote: refused(q) })
    await stage.clock.pass(2 * epochMs)
    expect(stage.take('outcome').length).toBeGreaterThan(2)
    await stage.clock.pass(epochMs)
    stage.take('outcome')
    await stage.clock.pass(10 * defaultSettings.maxResendMs)
    expect(stage.take('outcome')).toEqual([])
  })

  test('an unsettled commit is told on, however old it is', async () => {
    const stage = leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    await resting(stage)
    stage.take('outcome')
    await stage.clock.pass(2 * defaultSettings.maxResendMs)
    expect(stage.take('outcome').length).toBeGreaterThan(0)
  })
})

describe('R11: a commit behind the horizon', () => {
  const commit = { type: 'commit', ...commitOf(1), leftMs: 5_000, wait: 'decided' } as const

  test('is answered expired, once leadership is confirmed, and asks nobody to prepare', async () => {
    const stage = leading()
    await resting(stage)
    stage.replica.unconfirmed = true
    const request = stage.ask(commit)
    expect(stage.decided(request)).toEqual([])
    stage.replica.confirm()
    await settled()
    expect(stage.decided(request)).toEqual([{ kind: 'expired' }])
    expect(stage.take('prepare')).toEqual([])
    expect(stage.leader.underway).toBe(0)
  })

  test('is not answered by a leader that is none any more', async () => {
    const stage = leading()
    await resting(stage)
    stage.replica.unconfirmed = true
    const request = stage.ask(commit)
    stage.replica.depose()
    await settled()
    expect(stage.decided(request)).toEqual([])
  })

  test('is answered from a record that stands', async () => {
    const stage = leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    await resting(stage)
    expect(stage.decided(stage.ask(commit))).toMatchObject([{ kind: 'committed' }])
  })

  test('a decision that the horizon overtakes is told as what the log made of it', async () => {
    const stage = leading()
    const request = stage.ask(commit)
    for (let times = 0; times < keptEpochs; times += 1)
      stage.replica.apply(encodeCommand({ kind: 'advance', keptEpochs }))
    for (const of of [p, q]) stage.speak(of, { type: 'vote', id: id(1), digest: commit.digest, vote: prepared(of) })
    await settled()
    expect(stage.decided(request)).toEqual([{ kind: 'expired' }])
    expect(stage.take('outcome')).toEqual([])
  })

  test('a budget is cut to a third of the retention', () => {
    const stage = leading()
    stage.ask({ ...commit, leftMs: 20 * 60_000 })
    expect(stage.take('prepare').map(({ message }) => message.leftMs)).toEqual([epochMs, epochMs])
  })
})

function commitOf(number: number) {
  return { id: id(number), list, digest: sealed(id(number), list).digest }
}
