import type { Message, Outcome, TransactionId } from '@verdict/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { recordOf } from '../src/records.ts'
import { calledList, id, instance, p, prepared, q, readOnly, refused, s, sealed, token } from './samples.ts'
import { ScriptedReplica, Stage, settled } from './stage.ts'

const ids = [id(1), id(2, { mark: 'kept' })]
const lists = [calledList(p, q), calledList(p, s)]
const reason = { code: 'client-aborted', message: '', retryable: true }

const someone = fc.constantFrom(p, q, s)
const subject = fc
  .tuple(fc.constantFrom(...ids), fc.constantFrom(...lists))
  .map(([of, list]) => ({ id: of, ...sealed(of, list) }))

/** What anybody may say to a leader, and what may become of it. */
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      about: subject,
      wait: fc.constantFrom('decided' as const, 'applied' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('allPrepared' as const), about: subject }) },
  fc.record({ kind: fc.constant('abort' as const), about: subject }),
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('vote' as const),
      from: someone,
      about: subject,
      cast: fc.integer({ min: 0, max: 9 }),
    }),
  },
  fc.record({ kind: fc.constant('inquire' as const), from: someone, about: subject, hasList: fc.boolean() }),
  fc.record({
    kind: fc.constant('ack' as const),
    from: someone,
    about: subject,
    applied: fc.constantFrom('committed' as const, 'aborted' as const),
  }),
  fc.record({ kind: fc.constant('hazard' as const), from: someone, about: subject }),
  fc.record({ kind: fc.constant('look' as const) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(0, 150, 600, 6_000) }),
  fc.record({ kind: fc.constantFrom('hold' as const, 'release' as const, 'overload' as const) }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

async function play(stage: Stage, event: Step): Promise<void> {
  switch (event.kind) {
    case 'commit':
      return void stage.ask({ type: 'commit', ...say(event.about), leftMs: 5_000, wait: event.wait })
    case 'abort':
      return void stage.ask({ type: 'abort', ...say(event.about), reason })
    case 'vote': {
      const { from, about, cast } = event
      const vote = cast === 0 ? refused(from) : cast === 1 ? readOnly(from) : prepared(from)
      return stage.speak(from, { type: 'vote', id: about.id, digest: about.digest, vote })
    }
    case 'allPrepared': {
      const { id: of, digest, list } = event.about
      for (const { participant } of list)
        stage.speak(participant, { type: 'vote', id: of, digest, vote: prepared(participant) })
      return
    }
    case 'inquire': {
      const { from, about, hasList } = event
      const held = { id: about.id, digest: about.digest, token: token(from), ...(hasList ? { list: about.list } : {}) }
      return stage.speak(from, { type: 'inquiry', instance: instance(from), branches: [held] })
    }
    case 'ack':
      return stage.speak(event.from, {
        type: 'ack',
        ...who(event),
        instance: instance(event.from),
        applied: event.applied,
      })
    case 'hazard':
      return stage.speak(event.from, { type: 'hazard', ...who(event), kind: 'effects-lost', note: '' })
    case 'look':
      return void stage.look(ids)
    case 'pass':
      return stage.clock.pass(event.ms)
    case 'hold':
      stage.replica.held = true
      return
    case 'release':
      stage.replica.held = false
      stage.replica.refusal = undefined
      return stage.replica.release()
    case 'overload':
      stage.replica.refusal = new Error('The log is overloaded.')
  }
}

const say = ({ id: of, list, digest }: { id: TransactionId } & ReturnType<typeof sealed>) => ({ id: of, list, digest })
const who = ({ about }: { about: { id: TransactionId } & ReturnType<typeof sealed> }) => ({
  id: about.id,
  digest: about.digest,
})

/** Every outcome that a message tells, with the list that it is told for. */
function outcomesIn(message: Message): { id: TransactionId; digest: string; outcome: Outcome }[] {
  switch (message.type) {
    case 'outcome':
      return [message]
    case 'decided': {
      const { kind } = message.answer
      if (kind === 'conflict')
        return [{ id: message.id, digest: message.answer.recorded, outcome: message.answer.outcome }]
      return kind === 'committed' || kind === 'aborted' ? [{ ...message, outcome: kind }] : []
    }
    case 'looked':
      return message.found.flatMap((found) => (found.kind === 'recorded' ? [found] : []))
    case 'inquiryAnswer':
      return message.answers.flatMap(({ answer, ...rest }) =>
        answer === 'committed' || answer === 'aborted' ? [{ ...rest, outcome: answer }] : [],
      )
    default:
      return []
  }
}

/** Plays histories at two leaders of one log that overlap, and returns what kinds of outcomes were told in them. */
async function playAtTwoLeaders(parameters: fc.Parameters<[[boolean, Step][]]>): Promise<Set<string>> {
  const told = new Set<string>()
  const history = fc.array(fc.tuple(fc.boolean(), step), { minLength: 5, maxLength: 60 })
  const agree = fc.asyncProperty(history, async (steps) => {
    const first = new ScriptedReplica()
    const stages = [
      Stage.leading({}, undefined, first),
      Stage.leading({}, undefined, new ScriptedReplica(first)),
    ] as const
    for (const [isSecond, event] of steps) {
      await play(stages[isSecond ? 1 : 0], event)
      await settled()
      for (const { message } of stages.flatMap(({ bus }) => bus.sent.splice(0))) {
        for (const { id: of, digest, outcome } of outcomesIn(message)) {
          expect(recordOf(first.space, of)).toMatchObject({ outcome, digest })
          told.add(`${message.type} ${outcome}`)
        }
      }
    }
  })
  await fc.assert(agree, parameters)
  return told
}

test('however two leaders of one log overlap, all outcomes that they tell are those of the records', async () => {
  await playAtTwoLeaders({ numRuns: 300 })
})

test('those histories tell each outcome in each kind of message', async () => {
  // One seed, so that it is the same each time.
  const told = await playAtTwoLeaders({ numRuns: 300, seed: 1 })
  const types = ['outcome', 'decided', 'looked', 'inquiryAnswer']
  expect([...told].toSorted()).toEqual(types.flatMap((type) => [`${type} aborted`, `${type} committed`]).toSorted())
})

test('when all is calm again, nothing stays under way and nothing is left unanswered', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const stage = Stage.leading()
      for (const event of steps) {
        await play(stage, event)
        await settled()
      }
      await play(stage, { kind: 'release' })
      await stage.clock.pass(20_000)
      expect(stage.leader.underway).toBe(0)
    }),
    { numRuns: 200 },
  )
})
