import type { DecisionRecord, InstanceId, ParticipantName, TransactionId } from '@verdict/protocol'
import { applied, recordIn, type Space } from './log.ts'
import { describe, type Mail, type Proposal, type ToParticipant } from './mail.ts'
import { idOf } from './names.ts'
import {
  advanceParticipant,
  newParticipant,
  type Participant,
  type ParticipantEvent,
  participantIdles,
} from './participant.ts'
import { Pool } from './pool.ts'
import { advanceReplica, newReplica, type Replica, type ReplicaEvent, replicaIdles } from './replica.ts'
import { advanceRun, newRun, type Run, type RunEvent, runIdles } from './run.ts'
import type { Faults, Scenario } from './scenario.ts'
import { Steps, type Way } from './steps.ts'

/**
 * A state of the world: numbers of its parts' states (circumstances, log, replicas, participants, runs), then the set of all
 * messages that were ever sent, as bits. Any of them may be delivered at any time, again and again, or never: loss, doubling,
 * delay and reordering in one.
 */
export type State = readonly number[]

export interface Successor {
  readonly state: State
  /** The message that was delivered, if one was. */
  readonly delivered: number | undefined
  /** What happened, for a trace. */
  readonly label: () => string
  readonly isFault: boolean
  /** Numbers of the messages that were not there before. */
  readonly sent: readonly number[]
}

export interface Circumstances {
  readonly term: number
  readonly left: Faults
}

const wordBits = 16
const logSlot = 1
const replicaSlot = 2
const replicas = 2
const participantSlot = replicaSlot + replicas

// Places in the table of known numbers, far enough apart.
const appended = 2 ** 16
const bounced = 2 ** 17
const electing = 2 ** 18
const spending = 2 ** 19
const crashing = spending + 64
const losing = spending + 256

/** All parts of a scenario together: which states it begins in, and which follow which. */
export class World {
  readonly id: TransactionId
  readonly scenario: Scenario
  readonly #mails = new Pool<Mail>()
  readonly #circumstances = new Pool<Circumstances>()
  readonly #spaces = new Pool<Space>()
  readonly #replicas: Steps<Replica, ReplicaEvent>
  readonly #participants: readonly Steps<Participant, ParticipantEvent>[]
  readonly #runs: readonly Steps<Run, RunEvent>[]
  readonly #places: ReadonlyMap<ParticipantName, number>
  readonly #runSlot: number
  readonly #wordSlot: number
  readonly #numbers = new Map<number, number>()
  readonly #records = new Map<number, DecisionRecord | undefined>()
  #found: Successor[] = []
  #delivered: number | undefined

  constructor(scenario: Scenario) {
    this.scenario = scenario
    const id = idOf(scenario.mark)
    this.id = id
    this.#replicas = new Steps(
      this.#mails,
      (replica, event, send) => advanceReplica(replica, event, id, send),
      (replica) => replicaIdles(replica, scenario),
    )
    this.#participants = scenario.participants.map(
      (nature) =>
        new Steps(
          this.#mails,
          (participant, event, send, choose) => advanceParticipant(participant, event, id, nature, send, choose),
          participantIdles,
        ),
    )
    this.#runs = scenario.runs.map(
      (plan) =>
        new Steps(
          this.#mails,
          (run, event, send) => advanceRun(run, event, id, plan, send),
          (run) => runIdles(run, plan),
        ),
    )
    this.#places = new Map(scenario.participants.map(({ name }, place) => [name, place]))
    this.#runSlot = participantSlot + this.#participants.length
    this.#wordSlot = this.#runSlot + this.#runs.length
  }

  initial(): State {
    const { participants, faults } = this.scenario
    const space: Space = new Map()
    const elected = this.#replicas.numberOf(newReplica())
    const [first] = this.#replicas.ways(elected, this.#replicas.eventOf({ kind: 'elected', term: 1, space }))
    const start = [
      this.#circumstances.numberOf({ term: 1, left: faults }),
      this.#spaces.numberOf(space),
      first?.next ?? elected,
      elected,
      ...participants.map(({ name, instances }, place) =>
        this.#steps(this.#participants, place).numberOf(newParticipant(name, instances)),
      ),
      ...this.#runs.map((steps, place) => steps.numberOf(newRun(place))),
    ]
    return this.scenario.isCalled ? this.#called(start) : start
  }

  successors(state: State): readonly Successor[] {
    this.#found = []
    for (let word = this.#wordSlot; word < state.length; word += 1) {
      const bits = state[word] ?? 0
      for (let bit = 0; bit < wordBits; bit += 1) {
        if ((bits & (1 << bit)) !== 0) this.#deliver(state, (word - this.#wordSlot) * wordBits + bit)
      }
    }
    this.#delivered = undefined
    for (let slot = replicaSlot; slot < this.#wordSlot; slot += 1) this.#idle(state, slot)
    this.#fail(state)
    return this.#found
  }

  /**
   * Sends whatever can be sent without any other change. Nothing ever waits for the absence of a message, so that whatever can
   * happen without these can happen with them: nothing is overlooked, and sets that differ only in them need not be told apart.
   */
  saturated(before: State, state: State, note?: (step: Successor) => void): State {
    let full = state
    const fresh: number[] = []
    const send = (): void => {
      const found = this.#found
      this.#found = []
      for (const step of found) {
        if (!this.#onlySends(full, step.state)) continue
        const sent = step.sent.filter((number) => !this.#has(full, number))
        if (sent.length === 0) continue
        full = this.#with(full, sent)
        note?.({ ...step, state: full, sent })
        fresh.push(...sent)
      }
    }
    this.#found = []
    for (let number = 0; number < (full.length - this.#wordSlot) * wordBits; number += 1) {
      if (this.#has(full, number) && !this.#has(before, number)) fresh.push(number)
    }
    for (let slot = replicaSlot; slot < this.#wordSlot; slot += 1) {
      if (before[slot] === full[slot] && before[0] === full[0]) continue
      this.#delivered = undefined
      this.#idle(full, slot)
      for (let number = 0; number < (full.length - this.#wordSlot) * wordBits; number += 1) {
        if (this.#has(full, number)) this.#deliver(full, number, slot)
      }
      send()
    }
    for (let number = fresh.pop(); number !== undefined; number = fresh.pop()) {
      this.#deliver(full, number)
      send()
    }
    return full
  }

  #onlySends(before: State, after: State): boolean {
    for (let slot = 0; slot < this.#wordSlot; slot += 1) if (before[slot] !== after[slot]) return false
    return true
  }

  // What a state is made of, for invariants.

  /** Whether a step is a client's own, or hears one. */
  isOfClient(step: Successor, before: State): boolean {
    const mail = step.delivered === undefined ? undefined : this.mail(step.delivered)
    if (mail?.to === 'group' && mail.from === 'run') return true
    return this.#runs.some((_, place) => step.state[this.#runSlot + place] !== before[this.#runSlot + place])
  }

  /** Whether some database has lost what it had promised to keep. */
  hasLost(state: State): boolean {
    return this.circumstances(state).left.lostBranches < this.scenario.faults.lostBranches
  }

  circumstances(state: State): Circumstances {
    return this.#circumstances.at(at(state, 0))
  }

  /** What stands in the log. */
  record(state: State): DecisionRecord | undefined {
    const number = at(state, logSlot)
    if (!this.#records.has(number)) this.#records.set(number, recordIn(this.#spaces.at(number), this.id))
    return this.#records.get(number)
  }

  participants(state: State): readonly Participant[] {
    return this.#participants.map((steps, place) => steps.at(at(state, participantSlot + place)))
  }

  runs(state: State): readonly Run[] {
    return this.#runs.map((steps, place) => steps.at(at(state, this.#runSlot + place)))
  }

  mail(number: number): Mail {
    return this.#mails.at(number)
  }

  /** Every message that was sent so far. */
  sent(state: State): readonly Mail[] {
    const sent: Mail[] = []
    for (let number = 0; number < (state.length - this.#wordSlot) * wordBits; number += 1) {
      if (this.#has(state, number)) sent.push(this.mail(number))
    }
    return sent
  }

  /** The calls of every run are made and answered, and nothing else has happened. */
  #called(start: State): State {
    let state = start
    while (!this.runs(state).every(({ stage }) => stage === 'committing')) {
      const next = this.successors(state).find(({ label }) => /^run \d began|^look|^call|^result|worked$/.test(label()))
      if (next === undefined) throw new Error('Broken invariant: calls without a fault come to no end.')
      state = next.state
    }
    return state
  }

  /** To whoever listens; with `only`, as far as that part hears it. */
  #deliver(state: State, number: number, only?: number): void {
    const mail = this.mail(number)
    this.#delivered = number
    switch (mail.to) {
      case 'log':
        if (only === undefined || only === replicaSlot + this.#live(state)) this.#append(state, mail, number)
        return
      case 'group':
        for (let place = 0; place < replicas; place += 1) {
          const slot = replicaSlot + place
          if (only !== undefined && only !== slot) continue
          if (this.#replicas.at(at(state, slot)).leading === undefined) continue
          const confirmed = place === this.#live(state)
          const event = this.#known(number, confirmed ? 1 : 0, () =>
            this.#replicas.eventOf({ kind: 'received', mail, confirmed }),
          )
          const who = confirmed ? '' : ' (deposed)'
          this.#take(state, slot, this.#replicas, event, () => `${describe(mail)} at replica ${place}${who}`)
        }
        return
      case 'participant':
        this.#deliverTo(state, mail, number, only)
        return
      case 'run': {
        if (only !== undefined && only !== this.#runSlot + mail.run) return
        const steps = this.#steps(this.#runs, mail.run)
        const event = this.#known(number, 0, () => steps.eventOf({ kind: 'received', mail }))
        this.#take(state, this.#runSlot + mail.run, steps, event, () => describe(mail))
        return
      }
    }
  }

  #deliverTo(state: State, mail: ToParticipant, number: number, only: number | undefined): void {
    const place = this.#places.get(mail.participant)
    if (place === undefined) throw new Error(`Broken invariant: a message to ${mail.participant}, who is not there.`)
    const slot = participantSlot + place
    if (only !== undefined && only !== slot) return
    const steps = this.#steps(this.#participants, place)
    const { instances } = steps.at(at(state, slot))
    instances.forEach(({ name, isAlive }, instance) => {
      if (mail.instance !== undefined && mail.instance !== name) return
      if (!isAlive) {
        if (mail.instance !== undefined) this.#bounce(state, mail, number, name)
        return
      }
      const event = this.#known(number, instance, () => steps.eventOf({ kind: 'received', instance, mail }))
      this.#take(state, slot, steps, event, () =>
        mail.instance === undefined ? `${describe(mail)} at ${name}` : describe(mail),
      )
    })
  }

  /** Nobody listened; a leader that sent such a message is told so. */
  #bounce(state: State, { participant, message }: ToParticipant, number: number, instance: InstanceId): void {
    const { type } = message
    if (type !== 'prepare' && type !== 'outcome') return
    const event = this.#known(number, bounced, () =>
      this.#replicas.eventOf({ kind: 'unreachable', participant, instance, sent: type }),
    )
    for (let place = 0; place < replicas; place += 1) {
      const slot = replicaSlot + place
      if (this.#replicas.at(at(state, slot)).leading === undefined) continue
      this.#take(state, slot, this.#replicas, event, () => `replica ${place} hears that nobody listens at ${instance}`)
    }
  }

  /** An entry is committed: late, out of order or again, whoever proposed it. That is more than Raft allows. */
  #append(state: State, { command, term }: Proposal, number: number): void {
    const own = term === this.circumstances(state).term
    const event = this.#known(number, 2 * at(state, logSlot) + (own ? 1 : 0), () =>
      this.#replicas.eventOf({ kind: 'applied', ...applied(this.#space(state), command), own }),
    )
    const logged = [...state]
    logged[logSlot] = this.#known(number, appended + at(state, logSlot), () =>
      this.#spaces.numberOf(applied(this.#space(state), command).space),
    )
    const label = (): string => `the log applies: ${describe(this.mail(number))} (proposed in term ${term})`
    this.#take(logged, replicaSlot + this.#live(state), this.#replicas, event, label, state)
  }

  #idle(state: State, slot: number): void {
    if (slot < participantSlot) {
      const place = slot - replicaSlot
      const who = place === this.#live(state) ? '' : ' (deposed)'
      for (const event of this.#replicas.ownEvents(at(state, slot)))
        this.#take(
          state,
          slot,
          this.#replicas,
          event,
          () => `replica ${place}${who}: ${this.#replicas.event(event).kind}`,
        )
    } else if (slot < this.#runSlot) {
      const steps = this.#steps(this.#participants, slot - participantSlot)
      for (const event of steps.ownEvents(at(state, slot)))
        this.#take(state, slot, steps, event, () => this.#nameOf(steps, at(state, slot), event))
    } else {
      const place = slot - this.#runSlot
      const steps = this.#steps(this.#runs, place)
      for (const event of steps.ownEvents(at(state, slot)))
        this.#take(state, slot, steps, event, () => `run ${place} ${steps.event(event).kind}`)
    }
  }

  #nameOf(steps: Steps<Participant, ParticipantEvent>, state: number, event: number): string {
    const own = steps.event(event)
    return 'instance' in own ? `${steps.at(state).instances[own.instance]?.name}: ${own.kind}` : own.kind
  }

  #fail(state: State): void {
    const { term, left } = this.circumstances(state)
    if (left.elections > 0) this.#elect(state, term + 1)
    if (left.instanceCrashes > 0) {
      this.#participants.forEach((steps, place) => {
        const slot = participantSlot + place
        steps.at(at(state, slot)).instances.forEach(({ isAlive, name }, instance) => {
          if (!isAlive || !this.#mayDie(place, at(state, slot))) return
          const event = this.#known(place, crashing + instance, () => steps.eventOf({ kind: 'crashed', instance }))
          const spent = this.#spend(state, 'instanceCrashes')
          this.#take(spent, slot, steps, event, () => `${name} is gone, another one starts`, state, true)
        })
      })
    }
    if (left.lostBranches > 0) {
      this.#participants.forEach((steps, place) => {
        const slot = participantSlot + place
        const { name, resource } = steps.at(at(state, slot))
        if (resource.row.state !== 'prepared') return
        const event = this.#known(place, losing, () => steps.eventOf({ kind: 'lost' }))
        const label = (): string => `the database of ${name} loses its prepared branch`
        this.#take(this.#spend(state, 'lostBranches'), slot, steps, event, label, state, true)
      })
    }
  }

  #mayDie(place: number, participant: number): boolean {
    const dies = this.scenario.participants[place]?.dies
    if (dies !== 'once prepared') return dies === 'at any time'
    return this.#steps(this.#participants, place).at(participant).resource.row.state === 'prepared'
  }

  #elect(state: State, term: number): void {
    const next = [...this.#spend(state, 'elections', term)]
    if (!this.scenario.deposedActs) {
      const [gone] = this.#replicas.ways(
        at(state, replicaSlot + this.#live(state)),
        this.#replicas.eventOf({ kind: 'gone' }),
      )
      next[replicaSlot + this.#live(state)] = gone?.next ?? 0
    }
    const place = (term - 1) % replicas
    const event = this.#known(term, electing + at(state, logSlot), () =>
      this.#replicas.eventOf({ kind: 'elected', term, space: this.#space(state) }),
    )
    this.#take(
      next,
      replicaSlot + place,
      this.#replicas,
      event,
      () => `replica ${place} leads in term ${term}`,
      state,
      true,
    )
  }

  #spend(state: State, fault: keyof Faults, term?: number): State {
    const { left, term: before } = this.circumstances(state)
    const after = [...state]
    after[0] = this.#known(at(state, 0), spending + Object.keys(left).indexOf(fault), () =>
      this.#circumstances.numberOf({ term: term ?? before, left: { ...left, [fault]: left[fault] - 1 } }),
    )
    return after
  }

  /** What was numbered before need not be written out again, to find its number. */
  #known(one: number, other: number, number: () => number): number {
    const key = one * 2 ** 20 + other
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const fresh = number()
    this.#numbers.set(key, fresh)
    return fresh
  }

  /** A part takes a step. `before` is the state that is compared with, when something else has changed already. */
  #take<Part, Event>(
    state: State,
    slot: number,
    steps: Steps<Part, Event>,
    event: number,
    label: () => string,
    before: State = state,
    isFault = false,
  ): void {
    for (const way of steps.ways(at(state, slot), event)) {
      const isNothing =
        before === state && way.next === state[slot] && way.sent.every((number) => this.#has(state, number))
      if (isNothing) continue
      const after = this.#after(state, slot, way)
      if (before !== state && isSame(before, after)) continue
      const sent = way.sent.filter((number) => !this.#has(state, number))
      this.#found.push({
        state: after,
        delivered: this.#delivered,
        label: () => `${label()}${way.chosen}`,
        isFault,
        sent,
      })
    }
  }

  #after(state: State, slot: number, { next, sent }: Way): State {
    if (next === state[slot]) return this.#with(state, sent)
    const after = [...state]
    after[slot] = next
    return this.#with(after, sent)
  }

  #with(state: State, sent: readonly number[]): State {
    const after = [...state]
    for (const number of sent) {
      const word = this.#wordSlot + Math.floor(number / wordBits)
      while (after.length <= word) after.push(0)
      after[word] = (after[word] ?? 0) | (1 << (number % wordBits))
    }
    return after
  }

  #has(state: State, number: number): boolean {
    const bits = state[this.#wordSlot + Math.floor(number / wordBits)] ?? 0
    return (bits & (1 << (number % wordBits))) !== 0
  }

  #space(state: State): Space {
    return this.#spaces.at(at(state, logSlot))
  }

  #live(state: State): number {
    return (this.circumstances(state).term - 1) % replicas
  }

  #steps<Part, Event>(all: readonly Steps<Part, Event>[], place: number): Steps<Part, Event> {
    const steps = all[place]
    if (steps === undefined) throw new Error('Broken invariant: a part that the scenario does not have.')
    return steps
  }
}

function at(state: State, slot: number): number {
  const number = state[slot]
  if (number === undefined) throw new Error('Broken invariant: a state lacks a part.')
  return number
}

export function isSame(one: State, other: State): boolean {
  return one.length === other.length && one.every((number, slot) => number === other[slot])
}
