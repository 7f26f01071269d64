import { type SimulatedProcess, type SimulatedWorld, Simulation, type TraceOptions } from '@verdict/runtime/simulated'
import { isMember, type PlacedMembership } from '../../src/membership.ts'
import type { LogIndex, ReplicaId } from '../../src/message.ts'
import type { RaftEvent } from '../../src/notice.ts'
import { RunningReplica } from '../../src/running-replica.ts'
import { initSimulatedStore, openSimulatedStore } from '../../src/simulated-store.ts'
import { membershipOf } from '../../src/state.ts'
import { describePayload } from './describe-payload.ts'
import { Invariants } from './invariants.ts'
import { registerMachine } from './register-machine.ts'
import type { Circumstances } from './weather.ts'

/** How long a replica that was removed stays and disturbs, at most. */
const maxAfterlifeMs = 1_000

/** One replica: a process that is started again whenever it died, and what runs in it now. */
export interface Member {
  readonly id: ReplicaId
  readonly process: SimulatedProcess
  /** What ran in it last. */
  replica: RunningReplica<string> | undefined
  /** The life in which that runs. */
  incarnation: number
  /** It was removed from the group and is shut down for good. */
  retired: boolean
}

/** The replicas of one history, those that came and those that left too. */
export class Group {
  readonly simulation: Simulation
  readonly invariants = new Invariants()
  readonly circumstances: Circumstances
  readonly members: Member[] = []
  /** How often each event was told by a replica. */
  readonly events = new Map<RaftEvent['kind'], number>()
  readonly #elected: ((member: Member) => void)[] = []
  /** The last one that somebody has applied. */
  #membership: PlacedMembership
  #failure: Error | undefined

  constructor(simulation: Simulation, circumstances: Circumstances) {
    this.simulation = simulation
    this.circumstances = circumstances
    const founders = Array.from({ length: circumstances.size }, (_, place) => `n${place + 1}` as ReplicaId)
    this.#membership = { index: 0 as LogIndex, voters: founders, learners: [] }
    for (const id of founders) this.#add(id, founders)
    this.simulation.network.observe((message) => this.invariants.depart(message))
    this.simulation.afterEachStep(() => this.#check())
  }

  /** The replicas that live, paused or not. */
  get running(): readonly Member[] {
    return this.members.filter(({ process, incarnation }) => process.running && process.incarnation === incarnation)
  }

  /** Whoever leads in the latest term that has a leader, as far as it knows itself. */
  get leader(): Member | undefined {
    let latest: Member | undefined
    for (const member of this.running) {
      const term = leadsIn(member)
      if (term !== undefined && term > (leadsIn(latest) ?? -1)) latest = member
    }
    return latest
  }

  /** Whether somebody leads, and all members of the group have applied the same. */
  get isLevel(): boolean {
    const leading = this.leader?.replica
    if (leading === undefined) return false
    const { voters, learners } = leading.membership()
    const { appliedIndex } = leading.status()
    const isThere = (id: ReplicaId): boolean =>
      this.running.some((member) => member.id === id && member.replica?.status().appliedIndex === appliedIndex)
    return [...voters, ...learners].every(isThere) && membershipOf(leading.state).index <= appliedIndex
  }

  /** Calls `strike` in the moment when a replica is elected, before it has said so to anybody. */
  onElected(strike: (member: Member) => void): void {
    this.#elected.push(strike)
  }

  /** Starts a replica that joins the group later, with an empty store. */
  join(): Member {
    const member = this.#add(`n${this.members.length + 1}` as ReplicaId, [])
    member.process.start()
    return member
  }

  /** Starts whatever does not run and should. */
  revive(): void {
    for (const { process, retired } of this.members) {
      if (retired) continue
      if (!process.running) process.start()
      else if (process.paused) process.resume()
    }
  }

  /** @throws Error when the members of the group hold different spaces. */
  checkSpaces(): void {
    const members = this.leader?.replica?.membership()
    const spaces = this.running
      .filter(({ id }) => members !== undefined && isMember(members, id))
      .map(({ replica }) =>
        JSON.stringify(replica?.space.list('', 10_000).map(([key, value]) => [key, Buffer.from(value).toString()])),
      )
    if (new Set(spaces).size !== 1) throw new Error('The replicas hold different spaces')
  }

  /** Ends the history after the present event. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error))
  }

  #add(id: ReplicaId, founders: readonly ReplicaId[]): Member {
    const process = this.simulation.process(id, (world) => this.#live(member, founders, world))
    const member: Member = { id, process, replica: undefined, incarnation: 0, retired: false }
    initSimulatedStore({ disk: process.disk, group: 'g', replica: id, members: founders })
    this.members.push(member)
    this.invariants.add(id, process.disk)
    return member
  }

  #live(member: Member, members: readonly ReplicaId[], world: SimulatedWorld): void {
    const { id } = member
    const store = openSimulatedStore({ disk: world.disk, group: 'g', replica: id, members })
    const replica = new RunningReplica<string>({
      id,
      store,
      machine: registerMachine((applied) => this.invariants.apply(id, applied)),
      world,
      settings: this.circumstances.settings,
      subject: (from, to) => `raft.${from}.${to}`,
      onEvent: (event) => this.#hear(member, event),
    })
    member.replica = replica
    member.incarnation = world.incarnation
  }

  #hear(member: Member, event: RaftEvent): void {
    const { kind, ...rest } = event
    this.events.set(kind, (this.events.get(kind) ?? 0) + 1)
    if (event.kind === 'failed') {
      this.fail(event.error)
      return
    }
    if (event.kind === 'disbelieved')
      this.fail(new Error(`${member.id} does not believe ${event.replica}: ${event.why}`))
    if (kind !== 'appended') this.simulation.note(member.id, `${kind} ${JSON.stringify(rest)}`)
    if (event.kind === 'leaderChanged' && event.leader === member.id) {
      for (const strike of this.#elected) strike(member)
    }
    if (event.kind === 'membershipChanged' && event.index > this.#membership.index) this.#settle(event)
  }

  /** The id of whoever was removed never comes back: its process goes for good, some time. */
  #settle(membership: PlacedMembership): void {
    const before = this.#membership
    this.#membership = membership
    for (const member of this.members) {
      if (!isMember(before, member.id) || isMember(membership, member.id)) continue
      this.simulation.plan(this.simulation.random.between(0, maxAfterlifeMs), () => {
        member.process.crash()
        member.retired = true
      })
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
    for (const { id, replica } of this.running) if (replica !== undefined) this.invariants.look(id, replica.state)
  }
}

/** Traces of a group's simulation say what each message is. */
export function simulationOf(seed: number, print?: (line: string) => void): Simulation {
  const trace: TraceOptions = { describe: describePayload, ...(print === undefined ? {} : { print }) }
  return new Simulation({ seed, trace })
}

function leadsIn(member: Member | undefined): number | undefined {
  const role = member?.replica?.state.role
  return role?.kind === 'leader' ? role.term : undefined
}
