import type { DepartingMessage, SimulatedDisk } from '@verdict/runtime/simulated'
import { decodeMessage } from '../../src/codec.ts'
import { termAt } from '../../src/log.ts'
import type { Entry, LogIndex, Message, ReplicaId } from '../../src/message.ts'
import type { HardState, RaftState } from '../../src/state.ts'
import { Flushed } from './flushed.ts'
import type { Applied } from './register-machine.ts'

/** What a replica was last seen with, in one life. */
interface Seen {
  readonly state: RaftState
  term: number
  commitIndex: number
}

function check(condition: boolean, what: () => string): void {
  if (!condition) throw new Error(what())
}

/** The promises of Raft (Raft paper, figure 3), held against everything that the replicas of one history do. */
export class Invariants {
  readonly #flushed = new Map<ReplicaId, Flushed>()
  readonly #hardStates = new Map<ReplicaId, HardState>()
  readonly #leaders = new Map<number, ReplicaId>()
  readonly #votes = new Map<string, string>()
  /** The term of each committed entry, and the term in which it was committed. */
  readonly #committed = new Map<number, { readonly term: number; readonly inTerm: number }>()
  readonly #applied = new Map<number, Applied>()
  readonly #appliedAt = new Map<string, number>()
  readonly #positions = new Map<string, string>()
  readonly #matched = new WeakSet<Entry>()
  readonly #seen = new Map<ReplicaId, Seen>()

  /** Another replica, with its disk. */
  add(id: ReplicaId, disk: SimulatedDisk): void {
    this.#flushed.set(id, new Flushed(disk))
  }

  /** Terms that had a leader. */
  get terms(): number {
    return this.#leaders.size
  }

  /** Looks at a running replica after an event. */
  look(id: ReplicaId, state: RaftState): void {
    const before = this.#seen.get(id)
    const { hardState, commitIndex } = state
    const seen = before?.state === state ? before : { state, term: 0, commitIndex }
    this.#seen.set(id, seen)
    check(hardState.term >= seen.term, () => `the term of ${id} goes back from ${seen.term} to ${hardState.term}`)
    check(commitIndex >= seen.commitIndex, () => `the commit index of ${id} goes back from ${seen.commitIndex}`)
    seen.term = hardState.term
    this.#hardState(id)
    this.#logMatching(id, state)
    this.#leaderCompleteness(id, state)
    for (let index = seen.commitIndex + 1; index <= commitIndex; index++) this.#commit(id, state, index)
    seen.commitIndex = commitIndex
  }

  /** A replica applied a command. At every index all replicas apply the same, once, to the same state, with the same outcome. */
  apply(id: ReplicaId, applied: Applied): void {
    const { index, command } = applied
    const first = this.#applied.get(index)
    if (first === undefined) {
      const before = this.#appliedAt.get(command)
      check(before === undefined, () => `${id} applies at ${index} what was applied at ${before} already: ${command}`)
      this.#appliedAt.set(command, index)
      this.#applied.set(index, applied)
      return
    }
    check(first.command === command, () => `${id} applies ${command} at ${index}, others ${first.command}`)
    check(first.digest === applied.digest, () => `${id} applies ${index} to another state than others did`)
    check(first.found === applied.found, () => `${id} answers ${applied.found} to ${index}, others ${first.found}`)
  }

  /** A message leaves: what it says must be on its sender's disk. */
  depart({ from, subject, payload }: DepartingMessage): void {
    const id = from as ReplicaId
    const message = decodeMessage(payload)
    const flushed = this.#flushedOf(id)
    const { hardState } = flushed
    const speaksInTerm = message.kind !== 'requestPreVote' && !(message.kind === 'preVoteReply' && message.granted)
    check(
      !speaksInTerm || message.term <= hardState.term,
      () => `${id} speaks in term ${message.term}, its disk knows ${hardState.term}`,
    )
    const candidate = candidateOf(id, subject.split('.').at(-1) ?? '', message)
    if (candidate !== undefined) this.#vote(id, candidate, message.term, hardState)
    if (message.kind !== 'appendReply' && message.kind !== 'heartbeatReply') return
    const { matchIndex } = message
    const isFlushed = matchIndex <= flushed.baseIndex || flushed.termAt(matchIndex) !== undefined
    check(isFlushed, () => `${id} acknowledges ${matchIndex} before its flush`)
  }

  #vote(id: ReplicaId, candidate: string, term: number, flushed: HardState): void {
    const isFlushed = flushed.term > term || flushed.votedFor === candidate
    check(isFlushed, () => `${id} votes for ${candidate} in term ${term}, its disk knows nothing of that`)
    const key = `${id} ${term}`
    const first = this.#votes.get(key)
    check(first === undefined || first === candidate, () => `${id} votes for ${first} and ${candidate} in term ${term}`)
    this.#votes.set(key, candidate)
  }

  /** Term and vote on disk, over all lives: a term never goes back, a vote never changes within it. */
  #hardState(id: ReplicaId): void {
    const { hardState } = this.#flushedOf(id)
    const before = this.#hardStates.get(id)
    if (before === hardState) return
    this.#hardStates.set(id, hardState)
    if (before === undefined) return
    const { term, votedFor } = hardState
    check(term >= before.term, () => `the disk of ${id} goes back from term ${before.term} to ${term}`)
    const isKept = term > before.term || before.votedFor === undefined || before.votedFor === votedFor
    check(isKept, () => `the disk of ${id} forgets its vote for ${before.votedFor} in term ${term}`)
  }

  /** The same term at the same index means the same command, and the same before it: by induction, the same log. */
  #logMatching(id: ReplicaId, { log }: RaftState): void {
    for (let place = log.entries.length - 1; place >= 0; place--) {
      const entry = log.entries[place] as Entry
      if (this.#matched.has(entry)) return
      const before = place === 0 ? log.baseTerm : log.entries[place - 1]?.term
      const key = `${entry.index} ${entry.term}`
      const position = `${before} ${entry.kind} ${Buffer.from(entry.command).toString('latin1')}`
      const first = this.#positions.get(key)
      check(first === undefined || first === position, () => `${id} has ${position} at ${key}, others ${first}`)
      this.#positions.set(key, position)
      this.#matched.add(entry)
    }
  }

  /** One leader a term (Raft paper, section 5.2), which has all that was committed in earlier terms (section 5.4.3). */
  #leaderCompleteness(id: ReplicaId, state: RaftState): void {
    if (state.role.kind !== 'leader') return
    const { term } = state.role
    const first = this.#leaders.get(term)
    check(first === undefined || first === id, () => `${first} and ${id} lead in term ${term}`)
    if (first !== undefined) return
    this.#leaders.set(term, id)
    for (const [index, committed] of this.#committed) {
      // What later leaders committed need not be there: this one may have won an old term late.
      if (committed.inTerm >= term || index < state.log.baseIndex) continue
      const found = termAt(state.log, index as LogIndex)
      check(found === committed.term, () => `${id} leads term ${term} with ${found} at ${index}, not ${committed.term}`)
    }
  }

  #commit(id: ReplicaId, state: RaftState, index: number): void {
    const term = termAt(state.log, index as LogIndex)
    if (term === undefined) return // gone from memory in the same turn, or part of a snapshot; `apply` compares what came of it
    const first = this.#committed.get(index)
    if (first === undefined) {
      if (state.role.kind === 'leader') this.#onMajority(id, state, index, term)
      this.#committed.set(index, { term, inTerm: state.hardState.term })
    } else check(first.term === term, () => `${id} commits term ${term} at ${index}, others ${first.term}`)
  }

  /** What a leader commits is on the disks of a majority of the voters, whoever flushed it. A change may follow in the same turn. */
  #onMajority(id: ReplicaId, { memberships }: RaftState, index: number, term: number): void {
    const isHeldBy = (voter: ReplicaId): boolean => {
      const flushed = this.#flushedOf(voter)
      return flushed.termAt(index) === term || flushed.baseIndex > index
    }
    const isMajority = memberships.some(({ voters }) => 2 * voters.filter(isHeldBy).length > voters.length)
    check(isMajority, () => {
      const voters = memberships.map((membership) => membership.voters.join(' ')).join(', then ')
      return `${id} commits ${index}, which is on no majority of the disks of ${voters}`
    })
  }

  #flushedOf(id: ReplicaId): Flushed {
    const flushed = this.#flushed.get(id)
    if (flushed === undefined) throw new Error(`${id} is none of the replicas`)
    return flushed
  }
}

function candidateOf(id: ReplicaId, to: string, message: Message): string | undefined {
  if (message.kind === 'requestVote') return id
  return message.kind === 'voteReply' && message.granted ? to : undefined
}
