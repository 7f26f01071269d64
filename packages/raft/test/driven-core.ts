import { step } from '../src/core.ts'
import type { Effect } from '../src/effect.ts'
import type { Event } from '../src/event.ts'
import { lastIndexOf, lastTermOf } from '../src/log.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from '../src/message.ts'
import { defaultSettings, type RaftSettings } from '../src/settings.ts'
import { createState, type RaftState } from '../src/state.ts'

export interface DrivenCoreOptions {
  readonly id?: string
  readonly voters: readonly string[]
  readonly learners?: readonly string[]
  readonly entries?: readonly Entry[]
  readonly term?: number
  readonly settings?: Partial<RaftSettings>
}

/** One core, driven by hand: its disk is done as soon as it is asked, and others say what the test says. */
export class DrivenCore {
  readonly state: RaftState
  /** What it wanted done by the last event. */
  effects: readonly Effect[] = []

  constructor({ id = 'n1', voters, learners = [], entries = [], term = 0, settings }: DrivenCoreOptions) {
    this.state = createState({
      id: id as ReplicaId,
      settings: { ...defaultSettings, ...settings },
      hardState: { term: term as Term, votedFor: undefined },
      appliedIndex: 0 as LogIndex,
      appliedTerm: 0 as Term,
      entries,
      membership: { index: 0 as LogIndex, voters: voters as ReplicaId[], learners: learners as ReplicaId[] },
      staged: undefined,
      chance: 0,
    })
  }

  get term(): Term {
    return this.state.hardState.term
  }

  /** Messages that left with the last event. */
  get sent(): readonly (Message & { readonly to: ReplicaId })[] {
    return this.effects.flatMap((effect) => (effect.kind === 'send' ? [{ ...effect.message, to: effect.to }] : []))
  }

  /** What happens, and after it every write that it asks for reaches the disk. */
  happen(...events: readonly Event[]): this {
    const effects: Effect[] = []
    let next = events
    for (;;) {
      const caused = step(this.state, next)
      effects.push(...caused)
      const write = caused.find((effect) => effect.kind === 'persist')
      if (write?.kind !== 'persist') break
      next = [{ kind: 'persisted', write: write.write }]
    }
    this.effects = effects
    return this
  }

  tick(elapsedMs: number): this {
    return this.happen({ kind: 'tick', elapsedMs, chance: 0 })
  }

  hear(from: string, message: Message): this {
    return this.happen({ kind: 'received', from: from as ReplicaId, message })
  }

  propose(...commands: readonly string[]): this {
    return this.happen(
      ...commands.map((text, proposal): Event => ({ kind: 'proposed', proposal, command: Buffer.from(text) })),
    )
  }

  /** Asks for votes, and gets those of `voters`. */
  stand(...voters: readonly string[]): this {
    this.tick(this.state.settings.electionTimeoutMinMs)
    const asked = (this.term + 1) as Term
    for (const voter of voters) this.hear(voter, { kind: 'preVoteReply', term: asked, granted: true })
    for (const voter of voters) this.hear(voter, { kind: 'voteReply', term: asked, granted: true })
    return this
  }

  /** Others say that their disks hold the whole log. */
  acknowledge(...others: readonly string[]): this {
    const matchIndex = lastIndexOf(this.state.log)
    for (const other of others) {
      this.hear(other, { kind: 'appendReply', term: this.term, receivedIndex: matchIndex, matchIndex })
    }
    return this
  }

  /** Others answer the last heartbeat. */
  answer(...others: readonly string[]): this {
    const { role, log } = this.state
    const round = role.kind === 'leader' ? role.round : 0
    const index = lastIndexOf(log)
    const { term } = this
    const holding = { sentIndex: index, receivedIndex: index, matchIndex: index }
    for (const other of others) this.hear(other, { kind: 'heartbeatReply', term, round, ...holding })
    return this
  }

  /** A leader of the term is heard. */
  follow(leader: string, term: number): this {
    const log = { commitIndex: 0 as LogIndex, round: 1, sentIndex: 0 as LogIndex, matchIndex: 0 as LogIndex }
    return this.hear(leader, { kind: 'heartbeat', term: term as Term, ...log })
  }

  /** Somebody asks for a vote in a term, with a log that is as good as this one. */
  askedForVote(candidate: string, term: number, isTransfer: boolean): this {
    const lastIndex = lastIndexOf(this.state.log)
    const lastTerm = lastTermOf(this.state.log)
    return this.hear(candidate, { kind: 'requestVote', term: term as Term, lastIndex, lastTerm, isTransfer })
  }
}
