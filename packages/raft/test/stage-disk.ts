import type { Effect } from '../src/effect.ts'
import type { Event } from '../src/event.ts'
import type { PlacedMembership } from '../src/membership.ts'
import type { Entry, LogIndex, ReplicaId, Term } from '../src/message.ts'
import type { SnapshotHeader } from '../src/snapshot-header.ts'
import type { SpaceValues } from '../src/snapshot-values.ts'
import { type HardState, type RaftState, type Recovered, settledMembershipOf } from '../src/state.ts'
import type { LogBase, StagedSnapshot } from '../src/store.ts'

type Persist = Effect & { readonly kind: 'persist' }
type Install = Effect & { readonly kind: 'install' }

interface Snapshot {
  readonly header: SnapshotHeader
  readonly values: SpaceValues
}

/** Bytes that an entry's key has in the space of a scene: each command lies under its index. */
function keyOf({ index }: Entry): string {
  return String(index).padStart(3, '0')
}

/** The disk of a replica in a scene, and what it applied: every command is kept under its index. */
export class StageDisk {
  #hardState: HardState = { term: 0 as Term, votedFor: undefined }
  /** As of the base, from which a replica starts again: scenes are short, and show more when it has to apply anew. */
  #membership: PlacedMembership
  #base: LogBase = { index: 0 as LogIndex, term: 0 as Term }
  #entries: readonly Entry[] = []
  #space: SpaceValues = []
  #staged: (StagedSnapshot & { readonly values: SpaceValues }) | undefined
  #applied: SpaceValues = []
  #open = new Map<ReplicaId, Snapshot>()

  /** @param founders none on the disk of a replica that joins. */
  constructor(founders: readonly ReplicaId[]) {
    this.#membership = { index: 0 as LogIndex, voters: founders.toSorted(), learners: [] }
  }

  /** The space as the running replica has applied it. */
  get applied(): SpaceValues {
    return this.#applied
  }

  writeLog(term: Term, entries: readonly Entry[]): void {
    this.#hardState = { term, votedFor: undefined }
    this.#entries = entries
  }

  start(): Recovered {
    this.#applied = this.#space
    this.#open.clear()
    return {
      hardState: this.#hardState,
      appliedIndex: this.#base.index,
      appliedTerm: this.#base.term,
      entries: this.#entries,
      membership: this.#membership,
      staged: this.#staged,
    }
  }

  apply(entries: readonly Entry[]): void {
    const commands = entries.filter(({ kind }) => kind === 'command')
    this.#applied = [...this.#applied, ...commands.map((entry) => [keyOf(entry), entry.command] as const)]
  }

  /** Forgets the log up to an index, all of it applied: it becomes the base, with what was applied up to there. */
  compact(index: LogIndex, state: RaftState): void {
    const last = this.#entries.find((entry) => entry.index === index)
    if (last === undefined || index > state.appliedIndex)
      throw new Error(`Entry ${index} is not applied, or not there.`)
    this.#base = { index, term: last.term }
    this.#entries = this.#entries.filter((entry) => entry.index > index)
    this.#space = this.#applied.filter(([key]) => key <= keyOf(last))
    this.#membership = settledMembershipOf(state)
  }

  flush(write: Persist | Install): void {
    this.#hardState = write.hardState
    if (write.kind === 'install') this.#install(write.header)
    else this.#write(write)
  }

  load({ to, prevIndex }: Effect & { readonly kind: 'load' }): Event {
    const before = this.#entries.find(({ index }) => index === prevIndex)
    const prevTerm = prevIndex === this.#base.index ? this.#base.term : before?.term
    if (prevTerm === undefined) return { kind: 'compacted', to, prevIndex }
    return { kind: 'loaded', to, prevIndex, prevTerm, entries: this.#entries.filter(({ index }) => index > prevIndex) }
  }

  /** Two values at a time. */
  readSnapshot(effect: Effect & { readonly kind: 'readSnapshot' }, state: RaftState): Event {
    const { to, header } = effect
    const open = header === undefined ? undefined : this.#open.get(to)
    const snapshot = open ?? { header: this.#headerOf(state), values: this.#applied }
    this.#open.set(to, snapshot)
    const after = open === undefined ? '' : effect.after
    const rest = snapshot.values.filter(([key]) => key > after)
    const values = rest.slice(0, 2)
    return { kind: 'snapshotRead', to, header: snapshot.header, after, values, done: values.length === rest.length }
  }

  releaseSnapshot(to: ReplicaId): void {
    this.#open.delete(to)
  }

  #headerOf(state: RaftState): SnapshotHeader {
    const { appliedIndex: index } = state
    const term = this.#entries.find((entry) => entry.index === index)?.term ?? this.#base.term
    return { index, term, membership: settledMembershipOf(state) }
  }

  #write({ entries, chunk }: Persist): void {
    const [first] = entries
    const kept = first === undefined ? this.#entries : this.#entries.filter(({ index }) => index < first.index)
    this.#entries = [...kept, ...entries]
    if (chunk === undefined) return
    const { header, after, checksum, values } = chunk
    const before = after === '' ? [] : (this.#staged?.values ?? [])
    this.#staged = { header, position: values.at(-1)?.[0] ?? after, checksum, values: [...before, ...values] }
  }

  #install({ index, term, membership }: SnapshotHeader): void {
    this.#base = { index, term }
    this.#entries = []
    this.#membership = membership
    this.#space = this.#staged?.values ?? []
    this.#applied = this.#space
    this.#staged = undefined
  }
}
