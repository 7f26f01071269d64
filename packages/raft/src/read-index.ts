import type { Effect } from './effect.ts'
import type { Event } from './event.ts'
import { reachedByVoters } from './quorum.ts'
import { sendHeartbeats } from './replication.ts'
import type { RaftState, Read } from './state.ts'

/** Takes a question "am I still the leader?" (ReadIndex: dissertation, section 6.4), or refuses it at once. */
export function ask(state: RaftState, event: Event & { readonly kind: 'asked' }, effects: Effect[]): void {
  const { role } = state
  const { read } = event
  if (role.kind !== 'leader') effects.push({ kind: 'readRefused', read, why: 'notLeader' })
  else if (role.reads.length >= state.settings.maxReadsWaiting) {
    effects.push({ kind: 'readRefused', read, why: 'maxReadsWaiting' })
  } else role.reads.push({ read, asked: undefined })
}

/** Asks the followers on behalf of all questions of this turn. Before an entry of its term is committed, a leader waits. */
export function openRound(state: RaftState, effects: Effect[]): void {
  const { role } = state
  if (role.kind !== 'leader' || state.commitIndex < role.noopIndex) return
  const fresh = role.reads.filter(({ asked }) => asked === undefined)
  if (fresh.length === 0) return
  role.round++
  for (const read of fresh) read.asked = { round: role.round, index: state.commitIndex }
  sendHeartbeats(state, role, effects)
}

/** Answers what a majority has answered since, and what is applied here. */
export function confirmReads(state: RaftState, effects: Effect[]): void {
  const { role } = state
  if (role.kind !== 'leader' || role.reads.length === 0) return
  const round = reachedByVoters(state, role, role.round, (progress) => progress.round)
  const isDone = ({ asked }: Read): boolean =>
    asked !== undefined && asked.round <= round && asked.index <= state.appliedIndex
  for (const read of role.reads) if (isDone(read)) effects.push({ kind: 'readConfirmed', read: read.read })
  role.reads = role.reads.filter((read) => !isDone(read))
}
