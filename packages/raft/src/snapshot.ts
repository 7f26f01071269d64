import { disbelieve } from './disbelief.ts'
import type { Effect } from './effect.ts'
import { invariant } from './invariant.ts'
import { createLog, termAt } from './log.ts'
import type { LogIndex, ReplicaId, SnapshotChunk } from './message.ts'
import { isSameSnapshot, type SnapshotHeader } from './snapshot-header.ts'
import { checksumAfter } from './snapshot-values.ts'
import { type Follower, type RaftState, send, setMemberships } from './state.ts'
import type { StagedChunk } from './store.ts'

/**
 * What a follower does with a chunk that came. One at a time: `arrived` waits for the disk, `staging` is being written, `complete`
 * is the last one and on disk, `installing` takes the place of log and space. The leader is told after each.
 */
export interface Incoming {
  readonly chunk: SnapshotChunk
  phase: 'arrived' | 'staging' | 'complete' | 'installing'
}

/**
 * Whether log and space are about to be replaced: until then nothing is taken or applied, for whatever comes of it would be gone, or
 * worse, mixed with the new.
 */
export function isInstalling({ incoming }: RaftState): boolean {
  return incoming?.chunk.done === true
}

/**
 * Takes the next values of a snapshot, or says where it stands (Raft paper, section 7, figure 13). A log that has the snapshot's last
 * entry has all that the snapshot stands for, and keeps what follows it.
 */
export function receiveSnapshotChunk(
  state: RaftState,
  role: Follower,
  from: ReplicaId,
  chunk: SnapshotChunk,
  effects: Effect[],
): void {
  const { header, after, values, checksum } = chunk
  if (isInstalling(state)) return // the answer that is due says all
  if (hasAlready(state, header)) {
    tellMatch(state, role, header.index)
    return
  }
  if (header.index <= role.receivedIndex) {
    disbelieve(from, `its snapshot ${header.index}:${header.term} contradicts the log that came from it`, effects)
    return
  }
  if (state.incoming !== undefined) return // its own answer is still due
  if (state.staged !== undefined && !isSameSnapshot(state.staged.header, header)) state.staged = undefined
  const isNext = after === (state.staged?.position ?? '')
  if (isNext && checksumAfter(state.staged?.checksum ?? 0, values) === checksum) {
    state.incoming = { chunk, phase: 'arrived' }
    return
  }
  if (isNext) state.staged = undefined
  tellPosition(state, header, effects)
}

/** The chunk that is to go with the next write, if there is one. */
export function takeChunk(state: RaftState): StagedChunk | undefined {
  const { incoming } = state
  if (incoming?.phase !== 'arrived') return undefined
  incoming.phase = 'staging'
  const { header, after, values, checksum } = incoming.chunk
  return { header, after, values, checksum }
}

/** The snapshot that is to be installed now, if there is one. The log is as it was when the last chunk came: it is still needed. */
export function takeComplete({ incoming }: RaftState): SnapshotHeader | undefined {
  if (incoming?.phase !== 'complete') return undefined
  incoming.phase = 'installing'
  return incoming.chunk.header
}

/** A write landed: with it the chunk, or the snapshot as a whole. */
export function snapshotPersisted(state: RaftState, effects: Effect[]): void {
  const { incoming } = state
  if (incoming === undefined) return
  const { header, after, values, checksum, done } = incoming.chunk
  if (incoming.phase === 'staging') {
    state.staged = { header, position: values.at(-1)?.[0] ?? after, checksum }
    if (done) incoming.phase = 'complete'
    else {
      state.incoming = undefined
      tellPosition(state, header, effects)
    }
  } else if (incoming.phase === 'installing') installed(state, header, effects)
}

/** The log begins anew behind the snapshot; who is in the group is what the snapshot says. */
function installed(state: RaftState, header: SnapshotHeader, effects: Effect[]): void {
  const { role } = state
  const { index, term, membership } = header
  invariant(role.kind !== 'leader', `whoever leads has what snapshot ${index} holds`)
  invariant(index > state.commitIndex, `snapshot ${index} is newer than what is committed here, ${state.commitIndex}`)
  state.incoming = undefined
  state.staged = undefined
  state.log = createLog(index, term, [])
  state.commitIndex = index
  state.appliedIndex = index
  state.appliedHandedIndex = index
  const [applied] = state.memberships
  invariant(applied !== undefined, 'there is always a membership')
  setMemberships(state, membership.index > applied.index ? [applied, membership] : [applied])
  if (role.kind === 'follower') tellMatch(state, role, index)
  effects.push({ kind: 'notice', event: { kind: 'snapshotInstalled', index, term } })
}

function hasAlready({ log, commitIndex }: RaftState, { index, term }: SnapshotHeader): boolean {
  return index <= commitIndex || termAt(log, index) === term
}

/** What a snapshot holds is committed, and in the leader's log: a log that has it, has the leader's up to there. */
function tellMatch(state: RaftState, role: Follower, index: LogIndex): void {
  if (index > role.receivedIndex) role.receivedIndex = index
  if (index > state.commitIndex) state.commitIndex = index
  role.toldIndex = 0 as LogIndex
  role.owesReply = true
}

function tellPosition(state: RaftState, header: SnapshotHeader, effects: Effect[]): void {
  const { role, staged } = state
  if (role.kind !== 'follower' || role.leader === undefined) return
  const { index, term: snapshotTerm } = header
  const { position, checksum } = staged ?? { position: '', checksum: 0 }
  const { term } = state.hardState
  send(state, role.leader, { kind: 'snapshotReply', term, index, snapshotTerm, position, checksum }, effects)
}
