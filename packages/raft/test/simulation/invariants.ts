import type { DepartingMessage, SimulatedProcess } from '@verdict/runtime/simulated'
import { decodeEntry, decodeMessage } from '../../src/codec.ts'
import { termAt } from '../../src/log.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from '../../src/message.ts'
import { decodeStoredState } from '../../src/record.ts'
import type { RaftState } from '../../src/state.ts'

/** What a replica was last seen with, in one life. */
interface Seen {
  readonly state: RaftState
  term: number
  commitIndex: number
  lastEntry: Entry | undefined
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

/** The promises of Raft, held against everything that the replicas of one history do. */
export class Invariants {
  readonly #disks: ReadonlyMap<ReplicaId, SimulatedProcess['disk']>
  readonly #leaders = new Map<number, ReplicaId>()
  readonly #votes = new Map<string, string>()
  /** The term of each committed entry, and the term in which it was committed. */
  readonly #committed = new Map<number, { readonly term: number; readonly inTerm: number }>()
  readonly #applied = new Map<number, string>()
  readonly #positions = new Map<string, string>()
  readonly #seen = new Map<ReplicaId, Seen>()

  constructor(disks: ReadonlyMap<ReplicaId, SimulatedProcess['disk']>) {
    this.#disks = disks
  }

  /** Terms that had a leader. */
  get terms(): number {
    return this.#leaders.size
  }

  /** Looks at a running replica after an event. */
  look(id: ReplicaId, state: RaftState): void {
    const before = this.#seen.get(id)
    const seen =
      before?.state === state ? before : { state, term: 0, commitIndex: state.commitIndex, lastEntry: undefined }
    this.#seen.set(id, seen)
    check(state.hardState.term >= seen.term, `the term of ${id} goes back from ${seen.term}`)
    check(state.commitIndex >= seen.commitIndex, `the commit index of ${id} goes back from ${seen.commitIndex}`)
    seen.term = state.hardState.term
    this.#logMatching(id, state, seen)
    this.#leaderCompleteness(id, state)
    for (let index = seen.commitIndex + 1; index <= state.commitIndex; index++) this.#commit(id, state, index)
    seen.commitIndex = state.commitIndex
  }

  /** A replica applies a command: at every index all replicas apply the same. */
  apply(id: ReplicaId, index: LogIndex, command: Uint8Array): void {
    const first = this.#applied.get(index)
    check(first === undefined || first === text(command), `${id} applies ${text(command)} at ${index}, others ${first}`)
    this.#applied.set(index, text(command))
  }

  /** What was applied at an index by anybody. */
  appliedAt(index: number): string | undefined {
    return this.#applied.get(index)
  }

  /** All that was applied, by anybody, in order. */
  history(): readonly string[] {
    return [...this.#applied].sort(([one], [other]) => one - other).map(([, command]) => command)
  }

  /** A message leaves: what it says must be on its sender's disk. */
  depart({ from, subject, payload }: DepartingMessage): void {
    const id = from as ReplicaId
    const message = decodeMessage(payload)
    const contents = this.#disks.get(id)?.contents
    const stored = contents?.get('raft/state')
    if (contents === undefined || stored === undefined) return
    const { hardState } = decodeStoredState(stored, id, [])
    this.#flushedTerm(id, message, hardState.term)
    const candidate = candidateOf(id, subject.split('.').at(-1) ?? '', message)
    if (candidate !== undefined) this.#vote(id, candidate, message.term, hardState)
    if (message.kind !== 'appendReply') return
    const entry = contents.get(`log/${String(message.matchIndex).padStart(16, '0')}`)
    check(message.matchIndex === 0 || entry !== undefined, `${id} acknowledges ${message.matchIndex} before its flush`)
    if (entry !== undefined) decodeEntry(entry, message.matchIndex)
  }

  #flushedTerm(id: ReplicaId, message: Message, flushed: Term): void {
    if (message.kind === 'requestPreVote' || (message.kind === 'preVoteReply' && message.granted)) return
    check(message.term <= flushed, `${id} speaks in term ${message.term}, its disk knows ${flushed}`)
  }

  #vote(id: ReplicaId, candidate: string, term: Term, flushed: { term: Term; votedFor: string | undefined }): void {
    const isFlushed = flushed.term > term || flushed.votedFor === candidate
    check(isFlushed, `${id} votes for ${candidate} in term ${term}, its disk knows nothing of that`)
    const key = `${id} ${term}`
    const first = this.#votes.get(key)
    check(first === undefined || first === candidate, `${id} votes for ${first} and ${candidate} in term ${term}`)
    this.#votes.set(key, candidate)
  }

  /** The same term at the same index means the same command, and the same before it: by induction, the same log. */
  #logMatching(id: ReplicaId, { log }: RaftState, seen: Seen): void {
    const last = log.entries.at(-1)
    if (last === seen.lastEntry) return
    seen.lastEntry = last
    for (const [place, entry] of log.entries.entries()) {
      const before = place === 0 ? log.baseTerm : log.entries[place - 1]?.term
      const key = `${entry.index} ${entry.term}`
      const position = `${before} ${entry.kind} ${text(entry.command)}`
      const first = this.#positions.get(key)
      check(first === undefined || first === position, `${id} has ${position} at ${key}, others ${first}`)
      this.#positions.set(key, position)
    }
  }

  /** Whoever leads has all that was committed in earlier terms (Raft paper, section 5.4.3). */
  #leaderCompleteness(id: ReplicaId, state: RaftState): void {
    if (state.role.kind !== 'leader') return
    const { term } = state.role
    const first = this.#leaders.get(term)
    check(first === undefined || first === id, `${first} and ${id} lead in term ${term}`)
    if (first !== undefined) return
    this.#leaders.set(term, id)
    for (const [index, committed] of this.#committed) {
      // What later leaders committed need not be there: this one may have won an old term late.
      if (committed.inTerm >= term || index < state.log.baseIndex) continue
      const found = termAt(state.log, index as LogIndex)
      check(found === committed.term, `${id} leads term ${term} with ${found} at ${index}, not ${committed.term}`)
    }
  }

  #commit(id: ReplicaId, state: RaftState, index: number): void {
    const term = termAt(state.log, index as LogIndex)
    if (term === undefined) return // applied and gone from memory in the same turn; `apply` compares its command
    const first = this.#committed.get(index)
    if (first === undefined) {
      this.#onMajority(id, index, term)
      this.#committed.set(index, { term, inTerm: state.hardState.term })
    } else check(first.term === term, `${id} commits term ${term} at ${index}, others ${first.term}`)
  }

  /** What is committed for the first time is on a majority of disks, whoever flushed it. */
  #onMajority(id: ReplicaId, index: number, term: number): void {
    let copies = 0
    for (const { contents } of this.#disks.values()) {
      const stored = contents.get(`log/${String(index).padStart(16, '0')}`)
      if (stored !== undefined && decodeEntry(stored, index as LogIndex).term === term) copies++
    }
    check(copies > this.#disks.size / 2, `${id} commits ${index}, which is on ${copies} disks`)
  }
}

function candidateOf(id: ReplicaId, to: string, message: Message): string | undefined {
  if (message.kind === 'requestVote') return id
  return message.kind === 'voteReply' && message.granted ? to : undefined
}
