import type { InstanceId } from '@verdict/protocol'
import { applied } from './log.ts'
import { describe, type Proposal, type ToParticipant } from './mail.ts'
import type { Participant, ParticipantEvent } from './participant-state.ts'
import { logSlot, Parts, participantSlot, replicaSlot, replicas, wordBits } from './parts.ts'
import type { Faults } from './scenario.ts'
import { at, isSame, type State, type Successor } from './state.ts'
import type { Steps } from './steps.ts'

// Places in the table of known numbers, far enough apart.
const appended = 2 ** 16
const bounced = 2 ** 17
const electing = 2 ** 18
const spending = 2 ** 19
const crashing = spending + 64
const losing = spending + 256

/** All parts of a scenario together: in which state it begins, and which states follow which. */
export class World extends Parts {
  #found: Successor[] = []
  #delivered: number | undefined

  /** Where a search begins. */
  initial(): State {
    return this.scenario.isCalled ? this.#called(this.start()) : this.start()
  }

  successors(state: State): readonly Successor[] {
    this.#found = []
    for (let word = this.wordSlot; word < state.length; word += 1) {
      const bits = state[word] ?? 0
      for (let bit = 0; bit < wordBits; bit += 1) {
        if ((bits & (1 << bit)) !== 0) this.#deliver(state, (word - this.wordSlot) * wordBits + bit)
      }
    }
    this.#delivered = undefined
    for (let slot = replicaSlot; slot < this.wordSlot; slot += 1) this.#idle(state, slot)
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
        const sent = step.sent.filter((number) => !this.hasMail(full, number))
        if (sent.length === 0) continue
        full = this.withMails(full, sent)
        note?.({ ...step, state: full, sent })
        fresh.push(...sent)
      }
    }
    this.#found = []
    for (let number = 0; number < (full.length - this.wordSlot) * wordBits; number += 1) {
      if (this.hasMail(full, number) && !this.hasMail(before, number)) fresh.push(number)
    }
    for (let slot = replicaSlot; slot < this.wordSlot; slot += 1) {
      if (before[slot] === full[slot] && before[0] === full[0]) continue
      this.#delivered = undefined
      this.#idle(full, slot)
      for (let number = 0; number < (full.length - this.wordSlot) * wordBits; number += 1) {
        if (this.hasMail(full, number)) this.#deliver(full, number, slot)
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
    for (let slot = 0; slot < this.wordSlot; slot += 1) if (before[slot] !== after[slot]) return false
    return true
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
        if (only === undefined || only === replicaSlot + this.liveReplica(state)) this.#append(state, mail, number)
        return
      case 'group':
        for (let place = 0; place < replicas; place += 1) {
          const slot = replicaSlot + place
          if (only !== undefined && only !== slot) continue
          if (this.replicaSteps.at(at(state, slot)).leading === undefined) continue
          const confirmed = place === this.liveReplica(state)
          const event = this.numbered(number, confirmed ? 1 : 0, () =>
            this.replicaSteps.eventOf({ kind: 'received', mail, confirmed }),
          )
          const who = confirmed ? '' : ' (deposed)'
          this.#take(state, slot, this.replicaSteps, event, () => `${describe(mail)} at replica ${place}${who}`)
        }
        return
      case 'participant':
        this.#deliverTo(state, mail, number, only)
        return
      case 'run': {
        if (only !== undefined && only !== this.runSlot + mail.run) return
        const steps = this.stepsAt(this.runSteps, mail.run)
        const event = this.numbered(number, 0, () => steps.eventOf({ kind: 'received', mail }))
        this.#take(state, this.runSlot + mail.run, steps, event, () => describe(mail))
        return
      }
    }
  }

  #deliverTo(state: State, mail: ToParticipant, number: number, only: number | undefined): void {
    const place = this.places.get(mail.participant)
    if (place === undefined) throw new Error(`Broken invariant: a message to ${mail.participant}, who is not there.`)
    const slot = participantSlot + place
    if (only !== undefined && only !== slot) return
    const steps = this.stepsAt(this.participantSteps, place)
    const { instances } = steps.at(at(state, slot))
    instances.forEach(({ name, isAlive }, instance) => {
      if (mail.instance !== undefined && mail.instance !== name) return
      if (!isAlive) {
        if (mail.instance !== undefined) this.#bounce(state, mail, number, name)
        return
      }
      const event = this.numbered(number, instance, () => steps.eventOf({ kind: 'received', instance, mail }))
      this.#take(state, slot, steps, event, () =>
        mail.instance === undefined ? `${describe(mail)} at ${name}` : describe(mail),
      )
    })
  }

  /** Nobody listened; a leader that sent such a message is told so. */
  #bounce(state: State, { participant, message }: ToParticipant, number: number, instance: InstanceId): void {
    const { type } = message
    if (type !== 'prepare' && type !== 'outcome') return
    const event = this.numbered(number, bounced, () =>
      this.replicaSteps.eventOf({ kind: 'unreachable', participant, instance, sent: type }),
    )
    for (let place = 0; place < replicas; place += 1) {
      const slot = replicaSlot + place
      if (this.replicaSteps.at(at(state, slot)).leading === undefined) continue
      this.#take(
        state,
        slot,
        this.replicaSteps,
        event,
        () => `replica ${place} hears that nobody listens at ${instance}`,
      )
    }
  }

  /** An entry is committed: late, out of order or again, whoever proposed it. That is more than Raft allows. */
  #append(state: State, { command, term }: Proposal, number: number): void {
    const own = term === this.circumstances(state).term
    const event = this.numbered(number, 2 * at(state, logSlot) + (own ? 1 : 0), () =>
      this.replicaSteps.eventOf({ kind: 'applied', ...applied(this.spaceIn(state), command), own }),
    )
    const logged = [...state]
    logged[logSlot] = this.numbered(number, appended + at(state, logSlot), () =>
      this.spaces.numberOf(applied(this.spaceIn(state), command).space),
    )
    const label = (): string => `the log applies: ${describe(this.mail(number))} (proposed in term ${term})`
    this.#take(logged, replicaSlot + this.liveReplica(state), this.replicaSteps, event, label, state)
  }

  #idle(state: State, slot: number): void {
    if (slot < participantSlot) {
      const place = slot - replicaSlot
      const who = place === this.liveReplica(state) ? '' : ' (deposed)'
      for (const event of this.replicaSteps.ownEvents(at(state, slot)))
        this.#take(
          state,
          slot,
          this.replicaSteps,
          event,
          () => `replica ${place}${who}: ${this.replicaSteps.event(event).kind}`,
        )
    } else if (slot < this.runSlot) {
      const steps = this.stepsAt(this.participantSteps, slot - participantSlot)
      for (const event of steps.ownEvents(at(state, slot)))
        this.#take(state, slot, steps, event, () => this.#nameOf(steps, at(state, slot), event))
    } else {
      const place = slot - this.runSlot
      const steps = this.stepsAt(this.runSteps, place)
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
      this.participantSteps.forEach((steps, place) => {
        const slot = participantSlot + place
        steps.at(at(state, slot)).instances.forEach(({ isAlive, name }, instance) => {
          if (!isAlive || !this.#mayDie(place, at(state, slot))) return
          const event = this.numbered(place, crashing + instance, () => steps.eventOf({ kind: 'crashed', instance }))
          const spent = this.#spend(state, 'instanceCrashes')
          this.#take(spent, slot, steps, event, () => `${name} is gone, another one starts`, state, true)
        })
      })
    }
    if (left.lostBranches > 0) {
      this.participantSteps.forEach((steps, place) => {
        const slot = participantSlot + place
        const { name, resource } = steps.at(at(state, slot))
        if (resource.row.state !== 'prepared') return
        const event = this.numbered(place, losing, () => steps.eventOf({ kind: 'lost' }))
        const label = (): string => `the database of ${name} loses its prepared branch`
        this.#take(this.#spend(state, 'lostBranches'), slot, steps, event, label, state, true)
      })
    }
  }

  #mayDie(place: number, participant: number): boolean {
    const dies = this.scenario.participants[place]?.dies
    if (dies !== 'once prepared') return dies === 'at any time'
    return this.stepsAt(this.participantSteps, place).at(participant).resource.row.state === 'prepared'
  }

  #elect(state: State, term: number): void {
    const next = [...this.#spend(state, 'elections', term)]
    if (!this.scenario.deposedActs) {
      const [gone] = this.replicaSteps.ways(
        at(state, replicaSlot + this.liveReplica(state)),
        this.replicaSteps.eventOf({ kind: 'gone' }),
      )
      next[replicaSlot + this.liveReplica(state)] = gone?.next ?? 0
    }
    const place = (term - 1) % replicas
    const event = this.numbered(term, electing + at(state, logSlot), () =>
      this.replicaSteps.eventOf({ kind: 'elected', term, space: this.spaceIn(state) }),
    )
    this.#take(
      next,
      replicaSlot + place,
      this.replicaSteps,
      event,
      () => `replica ${place} leads in term ${term}`,
      state,
      true,
    )
  }

  #spend(state: State, fault: keyof Faults, term?: number): State {
    const { left, term: before } = this.circumstances(state)
    const after = [...state]
    after[0] = this.numbered(at(state, 0), spending + Object.keys(left).indexOf(fault), () =>
      this.allCircumstances.numberOf({ term: term ?? before, left: { ...left, [fault]: left[fault] - 1 } }),
    )
    return after
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
        before === state && way.next === state[slot] && way.sent.every((number) => this.hasMail(state, number))
      if (isNothing) continue
      const after = this.afterWay(state, slot, way)
      if (before !== state && isSame(before, after)) continue
      const sent = way.sent.filter((number) => !this.hasMail(state, number))
      this.#found.push({
        state: after,
        delivered: this.#delivered,
        label: () => `${label()}${way.chosen}`,
        isFault,
        sent,
      })
    }
  }
}
