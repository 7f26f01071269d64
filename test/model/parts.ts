import type { DecisionRecord, ParticipantName, TransactionId } from '@verdict/protocol'
import { recordIn, type Space } from './log.ts'
import type { Mail } from './mail.ts'
import { idOf } from './names.ts'
import { advanceParticipant } from './participant.ts'
import { newParticipant, type Participant, type ParticipantEvent, participantIdles } from './participant-state.ts'
import { Pool } from './pool.ts'
import { advanceReplica, newReplica, type Replica, type ReplicaEvent, replicaIdles } from './replica.ts'
import { advanceRun, newRun, type Run, type RunEvent, runIdles } from './run.ts'
import type { Faults, Scenario } from './scenario.ts'
import { at, type State, type Successor } from './state.ts'
import { Steps, type Way } from './steps.ts'

export interface Circumstances {
  readonly term: number
  readonly left: Faults
}

export const wordBits = 16
export const logSlot = 1
export const replicaSlot = 2
export const replicas = 2
export const participantSlot = replicaSlot + replicas

/** The parts of a scenario, each with the table of its steps, and what a state says of them. */
export class Parts {
  readonly id: TransactionId
  readonly scenario: Scenario
  protected readonly mails = new Pool<Mail>()
  protected readonly allCircumstances = new Pool<Circumstances>()
  protected readonly spaces = new Pool<Space>()
  protected readonly replicaSteps: Steps<Replica, ReplicaEvent>
  protected readonly participantSteps: readonly Steps<Participant, ParticipantEvent>[]
  protected readonly runSteps: readonly Steps<Run, RunEvent>[]
  protected readonly places: ReadonlyMap<ParticipantName, number>
  protected readonly runSlot: number
  protected readonly wordSlot: number
  protected readonly numbers = new Map<number, number>()
  protected readonly records = new Map<number, DecisionRecord | undefined>()

  constructor(scenario: Scenario) {
    this.scenario = scenario
    const id = idOf(scenario.mark)
    this.id = id
    this.replicaSteps = new Steps(
      this.mails,
      (replica, event, send) => advanceReplica(replica, event, id, send),
      (replica) => replicaIdles(replica, scenario),
    )
    this.participantSteps = scenario.participants.map(
      (nature) =>
        new Steps(
          this.mails,
          (participant, event, send, choose) => advanceParticipant(participant, event, id, nature, send, choose),
          participantIdles,
        ),
    )
    this.runSteps = scenario.runs.map(
      (plan) =>
        new Steps(
          this.mails,
          (run, event, send) => advanceRun(run, event, id, plan, send),
          (run) => runIdles(run, plan),
        ),
    )
    this.places = new Map(scenario.participants.map(({ name }, place) => [name, place]))
    this.runSlot = participantSlot + this.participantSteps.length
    this.wordSlot = this.runSlot + this.runSteps.length
  }

  /** Where everything begins. */
  protected start(): State {
    const { participants, faults } = this.scenario
    const space: Space = new Map()
    const elected = this.replicaSteps.numberOf(newReplica())
    const [first] = this.replicaSteps.ways(elected, this.replicaSteps.eventOf({ kind: 'elected', term: 1, space }))
    return [
      this.allCircumstances.numberOf({ term: 1, left: faults }),
      this.spaces.numberOf(space),
      first?.next ?? elected,
      elected,
      ...participants.map(({ name, instances }, place) =>
        this.stepsAt(this.participantSteps, place).numberOf(newParticipant(name, instances)),
      ),
      ...this.runSteps.map((steps, place) => steps.numberOf(newRun(place))),
    ]
  }

  /** Whether a step is a client's own, or hears one. */
  isOfClient(step: Successor, before: State): boolean {
    const mail = step.delivered === undefined ? undefined : this.mail(step.delivered)
    if (mail?.to === 'group' && mail.from === 'run') return true
    return this.runSteps.some((_, place) => step.state[this.runSlot + place] !== before[this.runSlot + place])
  }

  /** Whether some database has lost what it had promised to keep. */
  hasLost(state: State): boolean {
    return this.circumstances(state).left.lostBranches < this.scenario.faults.lostBranches
  }

  circumstances(state: State): Circumstances {
    return this.allCircumstances.at(at(state, 0))
  }

  /** What stands in the log. */
  record(state: State): DecisionRecord | undefined {
    const number = at(state, logSlot)
    if (!this.records.has(number)) this.records.set(number, recordIn(this.spaces.at(number), this.id))
    return this.records.get(number)
  }

  participants(state: State): readonly Participant[] {
    return this.participantSteps.map((steps, place) => steps.at(at(state, participantSlot + place)))
  }

  runs(state: State): readonly Run[] {
    return this.runSteps.map((steps, place) => steps.at(at(state, this.runSlot + place)))
  }

  mail(number: number): Mail {
    return this.mails.at(number)
  }

  /** What was numbered before need not be written out again, to find its number. */
  protected numbered(one: number, other: number, number: () => number): number {
    const key = one * 2 ** 20 + other
    const known = this.numbers.get(key)
    if (known !== undefined) return known
    const fresh = number()
    this.numbers.set(key, fresh)
    return fresh
  }

  protected afterWay(state: State, slot: number, { next, sent }: Way): State {
    if (next === state[slot]) return this.withMails(state, sent)
    const after = [...state]
    after[slot] = next
    return this.withMails(after, sent)
  }

  protected withMails(state: State, sent: readonly number[]): State {
    const after = [...state]
    for (const number of sent) {
      const word = this.wordSlot + Math.floor(number / wordBits)
      while (after.length <= word) after.push(0)
      after[word] = (after[word] ?? 0) | (1 << (number % wordBits))
    }
    return after
  }

  protected hasMail(state: State, number: number): boolean {
    const bits = state[this.wordSlot + Math.floor(number / wordBits)] ?? 0
    return (bits & (1 << (number % wordBits))) !== 0
  }

  protected spaceIn(state: State): Space {
    return this.spaces.at(at(state, logSlot))
  }

  protected liveReplica(state: State): number {
    return (this.circumstances(state).term - 1) % replicas
  }

  protected stepsAt<Part, Event>(all: readonly Steps<Part, Event>[], place: number): Steps<Part, Event> {
    const steps = all[place]
    if (steps === undefined) throw new Error('Broken invariant: a part that the scenario does not have.')
    return steps
  }
}
