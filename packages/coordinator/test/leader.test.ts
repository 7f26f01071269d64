import {
  type Digest,
  decodePacket,
  encodePacket,
  type HeldBranch,
  type Message,
  maxBranches,
  maxIdsPerMessage,
  ownerName,
  sealList,
} from '@verdict/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultSettings } from '../src/settings.ts'
import {
  called,
  calledList,
  decision,
  foreignId,
  group,
  id,
  inboxToken,
  instance,
  otherDigest,
  owner,
  p,
  participant,
  prepared,
  q,
  sealed,
  token,
} from './samples.ts'
import { on, replicaId, Stage, settled } from './stage.ts'

const list = calledList(p, q)
const inbox = on.inbox(owner, inboxToken(1))

function held(number: number, over: Partial<HeldBranch> = {}): HeldBranch {
  const { digest } = sealed(id(number), list)
  return { id: id(number), digest, token: token(p), list, ...over }
}

function withoutList(number: number, over: Partial<HeldBranch> = {}): HeldBranch {
  const { list: _, ...rest } = held(number, over)
  return rest
}

function inquire(stage: Stage, ...branches: HeldBranch[]): void {
  stage.speak(p, { type: 'inquiry', instance: instance(p), branches })
}

const inquiryAnswers = (stage: Stage): unknown[] =>
  stage.take('inquiryAnswer').flatMap(({ message }) => message.answers.map(({ answer }) => answer))

describe('R15: who is heard', () => {
  const subjects = [on.hello('main' as never, owner), on.group(group, owner), on.look(group, owner), on.vote(group, p)]
  const ignored = { payload: Uint8Array.of(0), replyTo: undefined }

  test.each(subjects)('%s is heard while leading, and only then', (subject) => {
    const stage = new Stage()
    expect(stage.bus.bring({ subject, ...ignored })).toBe(0)
    stage.leader.start()
    expect(stage.bus.bring({ subject, ...ignored })).toBe(1)
    stage.leader.stop()
    expect(stage.bus.bring({ subject, ...ignored })).toBe(0)
  })

  test('a new leader says so', () => {
    const stage = Stage.leading()
    expect(stage.take('announce')).toMatchObject([
      { subject: on.news(group), message: { term: 3, epoch: 1, horizon: 0 } },
    ])
  })

  test('a hello is answered with who the group is now', () => {
    const stage = Stage.leading()
    const request = stage.ask({ type: 'hello' }, { subject: on.hello('main' as never, owner) })
    expect(stage.answers(request)).toEqual([
      { type: 'welcome', group, replicas: [replicaId], epoch: 1, horizon: 0, retentionMs: 3_600_000 },
    ])
  })

  test.each<Message>([
    { type: 'status' },
    { type: 'announce', term: 9, epoch: 1 as never, horizon: 0 as never },
    { type: 'vote', id: id(1), digest: otherDigest(id(1)), vote: prepared(p) },
  ])('a $type is nothing to ask a leader', (message) => {
    const stage = Stage.leading()
    expect(stage.answers(stage.ask(message))).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
  })

  test('a client cannot vote, whatever it asks where', async () => {
    const stage = Stage.leading()
    stage.ask({ type: 'commit', ...sealedCommit(), leftMs: 1_000, wait: 'decided' })
    const { digest } = sealed(id(1), list)
    for (const of of [p, q]) stage.ask({ type: 'vote', id: id(1), digest, vote: prepared(of) })
    await settled()
    expect(stage.replica.proposed).toEqual([])
  })

  test('a participant votes for itself only', async () => {
    const stage = Stage.leading()
    stage.ask({ type: 'commit', ...sealedCommit(), leftMs: 1_000, wait: 'decided' })
    const { digest } = sealed(id(1), list)
    for (const of of [p, q]) stage.speak(p, { type: 'vote', id: id(1), digest, vote: prepared(of) })
    await settled()
    expect(stage.replica.proposed).toEqual([])
  })
})

function sealedCommit(): { id: ReturnType<typeof id>; list: typeof list; digest: Digest } {
  return { id: id(1), list, digest: sealed(id(1), list).digest }
}

describe('R3: a look', () => {
  test('a record is told at once, without asking whether we still lead', () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    stage.replica.unconfirmed = true
    expect(stage.answers(stage.look([id(1)]))).toMatchObject([
      { type: 'looked', found: [{ kind: 'recorded', outcome: 'committed', settled: false }] },
    ])
  })

  test('that nothing is recorded is told only once leadership is confirmed, as it stands then', async () => {
    const stage = Stage.leading()
    stage.replica.unconfirmed = true
    const request = stage.look([id(1), id(2)])
    await settled()
    expect(stage.answers(request)).toEqual([])
    stage.replica.record(decision(id(2), 'aborted'))
    stage.replica.confirm()
    await settled()
    expect(stage.answers(request)).toMatchObject([{ found: [{ kind: 'none' }, { kind: 'recorded' }] }])
  })

  test.each(['depose', 'stop'] as const)('nothing is told when leadership is lost meanwhile: %s', async (how) => {
    const stage = Stage.leading()
    stage.replica.unconfirmed = true
    const request = stage.look([id(1)])
    if (how === 'depose') stage.replica.depose()
    else stage.leader.stop()
    stage.replica.confirm()
    await settled()
    expect(stage.answers(request)).toEqual([])
  })

  test('it changes nothing, whatever it finds', async () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    const hash = stage.replica.space.hash()
    stage.look([id(1), id(2), id(3, { epoch: 9 })])
    await settled()
    expect([stage.replica.space.hash(), stage.replica.proposed, stage.leader.underway]).toEqual([hash, [], 0])
  })

  test('anybody may look', () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    expect(stage.answers(stage.look([id(1)], ownerName('reporting')))).toMatchObject([{ type: 'looked' }])
  })

  test('of another group is refused: "nothing recorded here" would be read as "nothing recorded"', async () => {
    const stage = Stage.leading()
    const request = stage.look([foreignId(1)])
    await settled()
    expect(stage.answers(request)).toMatchObject([{ type: 'failure' }])
  })

  test('that finds more than a message carries is told the first part', () => {
    const names = Array.from({ length: maxBranches }, (_, number) => participant(`${'p'.repeat(26)}-${100 + number}`))
    const large = sealList(names.map((name) => called(name)))
    const ids = Array.from({ length: maxIdsPerMessage }, (_, number) => id(number))
    const stage = Stage.leading({}, ({ replica }) => {
      for (const of of ids) replica.record(decision(of, 'committed', large))
    })
    const answers = stage.answers(stage.look(ids))
    expect(answers).toHaveLength(1)
    const [answer] = answers
    const found = answer?.type === 'looked' ? answer.found : []
    expect(found.length).toBeGreaterThan(0)
    expect(found.length).toBeLessThan(ids.length)
    expect(found.map((one) => one.id)).toEqual(ids.slice(0, found.length))
  })

  test('whose one record the bus cannot carry is answered with a failure, not with silence', () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(1), 'committed')))
    stage.bus.maxPayloadBytes = 300
    expect(stage.answers(stage.look([id(1)]))).toMatchObject([{ type: 'failure', code: 'payload-too-large' }])
    expect(stage.events).toMatchObject([{ kind: 'unsendableMessage' }])
  })
})

describe('R8: an inquiry', () => {
  test('a record answers at once', () => {
    const stage = Stage.leading({}, ({ replica }) => {
      replica.record(decision(id(1), 'committed'))
      replica.record(decision(id(2), 'aborted'))
      replica.record(decision(id(3), 'committed'))
    })
    stage.replica.unconfirmed = true
    inquire(stage, held(1), held(2), withoutList(3, { digest: otherDigest(id(3)) }))
    const [answer] = stage.take('inquiryAnswer')
    expect(answer?.subject).toBe(on.controlInstance(group, p, instance(p)))
    expect(answer?.message.answers).toMatchObject([
      { id: id(1), answer: 'committed', token: token(p) },
      { id: id(2), answer: 'aborted' },
      { id: id(3), answer: 'discard', digest: otherDigest(id(3)) },
    ])
  })

  test('expired and pending are told only once leadership is confirmed', async () => {
    const stage = Stage.leading({}, ({ replica }) => replica.space.put('group/horizon', Uint8Array.of(1)))
    stage.replica.unconfirmed = true
    inquire(stage, held(1), withoutList(2, { id: id(2, { epoch: 2 }) }))
    await settled()
    expect(inquiryAnswers(stage)).toEqual([])
    stage.replica.confirm()
    await settled()
    expect(inquiryAnswers(stage)).toEqual(['expired', 'pending'])
  })

  test('is not answered by one who lost leadership', async () => {
    const stage = Stage.leading()
    stage.replica.unconfirmed = true
    inquire(stage, withoutList(1))
    stage.replica.depose()
    await settled()
    expect(inquiryAnswers(stage)).toEqual([])
  })

  test('of another group alone is not answered; mixed, only for ours', async () => {
    const stage = Stage.leading()
    const foreign = { ...withoutList(1), id: foreignId(1) }
    inquire(stage, foreign)
    inquire(stage, foreign, withoutList(2))
    await settled()
    expect(stage.take('inquiryAnswer').map(({ message }) => message.answers.map((answer) => answer.id))).toEqual([
      [id(2)],
    ])
    expect(stage.leader.underway).toBe(1)
  })
})

describe('R6: taking up', () => {
  test('with a list: all are asked, and the outcome is that of their votes', async () => {
    const stage = Stage.leading()
    inquire(stage, held(1))
    await settled()
    expect(inquiryAnswers(stage)).toEqual(['pending'])
    expect(stage.take('prepare').map(({ message }) => message.leftMs)).toEqual([5_000, 5_000])
    const { digest } = sealed(id(1), list)
    for (const of of [p, q]) stage.speak(of, { type: 'vote', id: id(1), digest, vote: prepared(of) })
    await settled()
    expect(stage.take('outcome').map(({ message }) => message.outcome)).toEqual(['committed', 'committed'])
    expect(stage.proposals('decide')[0]?.decision.actor).toEqual({ kind: 'holder', participant: p })
    expect(stage.events).toContainEqual({ kind: 'takenUp', id: id(1) })
  })

  test('without one: pending, nothing is asked, and aborted only after the budget', async () => {
    const stage = Stage.leading()
    inquire(stage, withoutList(1))
    await stage.clock.pass(defaultSettings.takeUpBudgetMs - 1)
    inquire(stage, withoutList(1))
    await settled()
    expect(inquiryAnswers(stage)).toEqual(['pending', 'pending'])
    expect([stage.take('prepare'), stage.replica.proposed]).toEqual([[], []])
    await stage.clock.pass(1)
    expect(stage.take('outcome').map(({ message }) => message.outcome)).toEqual(['aborted'])
    inquire(stage, withoutList(1))
    expect(inquiryAnswers(stage)).toEqual(['aborted'])
    expect(stage.events.filter(({ kind }) => kind === 'takenUp')).toHaveLength(1)
  })

  test('the owner that comes back meanwhile has its transaction decided by the votes', async () => {
    const stage = Stage.leading()
    inquire(stage, withoutList(1))
    const request = stage.ask({ type: 'commit', ...sealedCommit(), leftMs: 9_000, wait: 'decided' })
    const { digest } = sealed(id(1), list)
    for (const of of [p, q]) stage.speak(of, { type: 'vote', id: id(1), digest, vote: prepared(of) })
    await settled()
    expect(stage.decided(request)).toMatchObject([{ kind: 'committed' }])
  })

  test('an invented list is not believed', async () => {
    const stage = Stage.leading()
    inquire(stage, held(1, { digest: otherDigest(id(1)) }))
    await settled()
    expect(stage.take('prepare')).toEqual([])
  })

  test('an id of an epoch that the group has not reached is not taken up', async () => {
    const stage = Stage.leading()
    inquire(stage, withoutList(1, { id: id(1, { epoch: 2 }) }))
    await settled()
    expect(stage.leader.underway).toBe(0)
  })

  test('beyond the limit nothing is taken up, and the holder is told to ask again', async () => {
    const stage = Stage.leading({ maxUnderway: 1 })
    inquire(stage, withoutList(1), withoutList(2))
    await settled()
    expect(inquiryAnswers(stage)).toEqual(['pending', 'pending'])
    expect(stage.leader.underway).toBe(1)
  })

  test('a proposal that the log did not take is made again by the next inquiry', async () => {
    const stage = Stage.leading()
    stage.replica.refusal = new Error('The log is overloaded.')
    inquire(stage, withoutList(1))
    await stage.clock.pass(defaultSettings.takeUpBudgetMs)
    expect(stage.leader.underway).toBe(0)
    stage.replica.refusal = undefined
    inquire(stage, withoutList(1))
    await stage.clock.pass(defaultSettings.takeUpBudgetMs)
    inquire(stage, withoutList(1))
    expect(inquiryAnswers(stage).at(-1)).toBe('aborted')
  })
})

describe('what cannot be used', () => {
  test('is dropped, and answered with a failure where the sender can be told', () => {
    const stage = Stage.leading()
    const packet = encodePacket({ request: 7, message: { type: 'look', ids: [] } })
    stage.bus.bring({ subject: on.look(group, owner), payload: packet, replyTo: inbox })
    expect(stage.answers(7)).toMatchObject([{ type: 'failure', code: 'malformed-message' }])
    stage.bus.bring({ subject: on.look(group, owner), payload: packet.subarray(3), replyTo: inbox })
    expect(stage.events.filter(({ kind }) => kind === 'unusableMessage')).toHaveLength(2)
    expect(stage.take('failure')).toHaveLength(1)
  })

  test('harms nobody: a transaction under way ends as if it had not come', async () => {
    const { digest } = sealed(id(1), list)
    const packets: readonly Uint8Array[] = [
      encodePacket({ request: 1, message: { type: 'vote', id: id(1), digest, vote: prepared(p) } }),
      encodePacket({ request: 2, message: { type: 'inquiry', instance: instance(p), branches: [held(1)] } }),
      encodePacket({ request: 3, message: { type: 'look', ids: [id(1)] } }),
    ]
    const subjects = [on.group(group, owner), on.look(group, owner), on.vote(group, p), `${on.vote(group, p)}`, 'x']
    const damaged = fc
      .tuple(fc.constantFrom(...packets), fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 6 }))
      .map(([packet, changes]) => {
        const bytes = Uint8Array.from(packet)
        for (const [place, byte] of changes) bytes[place % bytes.length] = byte
        return bytes
      })
      .filter((bytes) => !isReadable(bytes))
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...subjects), fc.oneof(damaged, fc.uint8Array()))),
        async (all) => {
          const stage = Stage.leading()
          const request = stage.ask(
            { type: 'commit', ...sealedCommit(), leftMs: 9_000, wait: 'decided' },
            { request: 99 },
          )
          for (const [subject, payload] of all) stage.bus.bring({ subject, payload, replyTo: inbox })
          for (const of of [p, q]) stage.speak(of, { type: 'vote', id: id(1), digest, vote: prepared(of) })
          await settled()
          expect(stage.decided(request)).toMatchObject([{ kind: 'committed' }])
        },
      ),
      { numRuns: 50 },
    )
  })
})

function isReadable(bytes: Uint8Array): boolean {
  try {
    decodePacket(bytes)
    return true
  } catch {
    return false
  }
}
