import { startCatchUp } from './catch-up.ts'
import type { Effect } from './effect.ts'
import type { Event } from './event.ts'
import { plus } from './log.ts'
import type { ReplicaId, SnapshotReply } from './message.ts'
import { type Progress, probeFrom } from './progress.ts'
import { isSameSnapshot, type SnapshotHeader } from './snapshot-header.ts'
import { checksumAfter } from './snapshot-values.ts'
import { type Leader, type RaftState, send } from './state.ts'

/** A snapshot on its way to one follower, chunk by chunk: the next leaves when the follower's disk has the one before. */
export interface Outgoing {
  /** Undefined until the store has opened it. */
  header: SnapshotHeader | undefined
  /** The chunk that is read, or on its way, follows this position. */
  after: string
  /** Checksum over all values up to there. */
  checksum: number
  /** A chunk is being read or on its way. */
  isUnderWay: boolean
  sinceSentMs: number
  sinceProgressMs: number
}

/** The store has no longer what a follower needs next: it gets the space instead (Raft paper, section 7). */
export function startSnapshot(state: RaftState, event: Event & { readonly kind: 'compacted' }): void {
  const progress = followerOf(state, event.to)
  if (progress === undefined) return
  progress.loading = false
  if (progress.mode === 'snapshot' || event.prevIndex !== plus(progress.nextIndex, -1)) return
  progress.mode = 'snapshot'
  progress.inFlight = []
  progress.catchUp = undefined
  progress.outgoing = {
    header: undefined,
    after: '',
    checksum: 0,
    isUnderWay: false,
    sinceSentMs: 0,
    sinceProgressMs: 0,
  }
}

/** Has the next chunk read. A snapshot keeps the store from using room again: none is opened for whoever does not answer. */
export function readNextChunk(state: RaftState, to: ReplicaId, progress: Progress, effects: Effect[]): void {
  const { outgoing } = progress
  if (outgoing === undefined || outgoing.isUnderWay) return
  if (outgoing.header === undefined && progress.silentMs >= state.settings.electionTimeoutMinMs) return
  outgoing.isUnderWay = true
  outgoing.sinceSentMs = 0
  effects.push({ kind: 'readSnapshot', to, header: outgoing.header, after: outgoing.after })
}

/** Values were read: they leave, if the follower still waits for them. */
export function sendChunk(state: RaftState, event: Event & { readonly kind: 'snapshotRead' }, effects: Effect[]): void {
  const { to, header, after, values, done } = event
  const progress = followerOf(state, to)
  const outgoing = progress?.outgoing
  if (outgoing === undefined || after !== outgoing.after) return
  if (outgoing.header !== undefined && !isSameSnapshot(outgoing.header, header)) return
  outgoing.header = header
  const checksum = checksumAfter(outgoing.checksum, values)
  const { term } = state.hardState
  send(state, to, { kind: 'snapshotChunk', term, header, after, values, checksum, done }, effects)
}

/**
 * The follower says up to where its disk has the snapshot, from an earlier leader or an earlier run perhaps: it goes on from there. An
 * answer that says nothing new is left to the timer, else each one that came twice would double all that follows.
 */
export function continueSnapshot(progress: Progress, reply: SnapshotReply): void {
  const { outgoing } = progress
  const { position, checksum } = reply
  const isAboutIt = outgoing?.header?.index === reply.index && outgoing.header.term === reply.snapshotTerm
  if (!isAboutIt || position === outgoing.after) return
  outgoing.after = position
  outgoing.checksum = checksum
  outgoing.isUnderWay = false
  outgoing.sinceProgressMs = 0
}

/** The follower has what the snapshot stands for: what follows comes from the log again. */
export function finishSnapshot(state: RaftState, to: ReplicaId, progress: Progress, effects: Effect[]): void {
  const index = progress.outgoing?.header?.index
  if (index === undefined || progress.matchIndex < index) return
  releaseSnapshot(to, progress, effects)
  progress.mode = 'replicate'
  progress.nextIndex = plus(progress.matchIndex, 1)
  progress.catchUp = startCatchUp(state, progress)
  effects.push({ kind: 'notice', event: { kind: 'snapshotSent', to, index } })
}

/** Time went by: a chunk or its answer may be lost; a follower that does not come further holds the store up no longer. */
export function waitForSnapshots(state: RaftState, elapsedMs: number, effects: Effect[]): void {
  if (state.role.kind !== 'leader') return
  const { snapshotResendMs, snapshotPatienceMs } = state.settings
  for (const [to, progress] of state.role.followers) {
    const { outgoing } = progress
    if (outgoing === undefined) continue
    outgoing.sinceSentMs += elapsedMs
    outgoing.sinceProgressMs += elapsedMs
    if (outgoing.sinceProgressMs >= snapshotPatienceMs) {
      releaseSnapshot(to, progress, effects)
      probeFrom(progress, plus(progress.matchIndex, 1))
    } else if (outgoing.isUnderWay && outgoing.sinceSentMs >= snapshotResendMs) outgoing.isUnderWay = false
  }
}

/** Whoever leads no longer, or no longer to this follower, sends no snapshots. */
export function releaseSnapshots({ followers }: Pick<Leader, 'followers'>, effects: Effect[]): void {
  for (const [to, progress] of followers) releaseSnapshot(to, progress, effects)
}

/** The store may use again what only this snapshot still showed. */
export function releaseSnapshot(to: ReplicaId, progress: Progress, effects: Effect[]): void {
  if (progress.outgoing === undefined) return
  progress.outgoing = undefined
  effects.push({ kind: 'releaseSnapshot', to })
}

function followerOf({ role }: RaftState, id: ReplicaId): Progress | undefined {
  return role.kind === 'leader' ? role.followers.get(id) : undefined
}
