import {
  type BranchList,
  type Digest,
  type GroupId,
  groupOf,
  type HeldBranch,
  maxIdsPerMessage,
  type Token,
  type TraceContext,
  type TransactionId,
} from '@verdict/protocol'
import { Schedule } from '@verdict/runtime'

/**
 * Entries of all lists that one inquiry carries. An entry takes at most 130 bytes on the wire, so that the message stays below
 * the bus's usual 1 MiB with its ids and trace contexts.
 */
const maxListedPerInquiry = 4_000

/** A prepared branch whose outcome is not known here. */
export interface Doubt {
  readonly id: TransactionId
  readonly digest: Digest
  readonly token: Token
  /** The list, where this instance was asked to prepare under it. */
  readonly list?: BranchList
  readonly trace?: TraceContext
}

interface Watched {
  readonly doubt: Doubt
  readonly group: GroupId
  /** When it was prepared, as far as this instance knows. */
  readonly sinceMs: number
  /** Until then it is left to the leader that is at work on it. */
  readonly youngUntilMs: number
  askAtMs: number
  asked: number
}

/** What is in doubt, and when to ask about it (rule R6). Plain data that this file alone changes. */
export interface Recovery {
  readonly watched: Map<TransactionId, Watched>
  /** When each of them wants to be asked about. */
  readonly schedule: Schedule<TransactionId>
  /** The term in which each group was last heard to have a leader. */
  readonly terms: Map<GroupId, number>
  /** When the next wave of inquiries may leave. */
  nextWaveMs: number
}

export interface RecoveryLimits {
  readonly inquireAfterMs: number
  readonly inquiryPauseMs: number
  readonly maxInquiryPauseMs: number
  readonly inquirySpreadMs: number
  readonly inquiryWaveMs: number
  readonly maxDoubts: number
}

/** `fraction` is a random number from [0, 1), drawn by whoever sends the event. */
export type RecoveryEvent =
  /** This instance prepared the branch just now. */
  | { readonly kind: 'held'; readonly doubt: Doubt }
  /** The resource showed a prepared branch; `old` when it has been prepared for the minimum age already. */
  | { readonly kind: 'found'; readonly doubt: Doubt; readonly old: boolean; readonly fraction: number }
  /** It is prepared no more. */
  | { readonly kind: 'ended'; readonly id: TransactionId }
  /** A leader said that it leads: the first time in its term, or again. */
  | { readonly kind: 'announced'; readonly group: GroupId; readonly term: number; readonly fraction: number }
  | { readonly kind: 'woke'; readonly fraction: number }

/** One message to one group. */
export interface Inquire {
  readonly group: GroupId
  readonly branches: readonly HeldBranch[]
}

/** How long the oldest of them has been in doubt, by what this instance knows; 0 when there is none. */
export function oldestDoubtMs({ watched }: Recovery, nowMs: number): number {
  let oldestMs = 0
  for (const { sinceMs } of watched.values()) oldestMs = Math.max(oldestMs, nowMs - sinceMs)
  return oldestMs
}

/** Those that have been in doubt for so long. */
export function overdue(
  { watched }: Recovery,
  nowMs: number,
  limitMs: number,
): readonly { readonly id: TransactionId; readonly ageMs: number }[] {
  return [...watched.values()].flatMap(({ doubt: { id }, sinceMs }) =>
    nowMs - sinceMs >= limitMs ? [{ id, ageMs: nowMs - sinceMs }] : [],
  )
}

export function newRecovery(): Recovery {
  return { watched: new Map(), schedule: new Schedule(), terms: new Map(), nextWaveMs: Number.NEGATIVE_INFINITY }
}

/** When the next wave of inquiries is due; undefined when nothing is in doubt. */
export function recoveryWakeAtMs({ schedule, nextWaveMs }: Recovery): number | undefined {
  const nextMs = schedule.nextMs()
  return nextMs === undefined ? undefined : Math.max(nextMs, nextWaveMs)
}

/** Advances in place and says what to inquire about now. The same state and event always give the same result. */
export function advanceRecovery(
  recovery: Recovery,
  event: RecoveryEvent,
  nowMs: number,
  limits: RecoveryLimits,
): readonly Inquire[] {
  switch (event.kind) {
    case 'held':
      watch(recovery, event.doubt, nowMs, nowMs + limits.inquireAfterMs, nowMs + limits.inquireAfterMs)
      return []
    case 'found':
      found(recovery, event, nowMs, limits)
      return []
    case 'ended':
      recovery.watched.delete(event.id)
      recovery.schedule.set(event.id, undefined)
      return []
    case 'announced':
      announced(recovery, event, nowMs, limits)
      return []
    case 'woke':
      return ask(recovery, event.fraction, nowMs, limits)
  }
}

function watch(recovery: Recovery, doubt: Doubt, sinceMs: number, youngUntilMs: number, askAtMs: number): void {
  recovery.watched.set(doubt.id, { doubt, group: groupOf(doubt.id), sinceMs, youngUntilMs, askAtMs, asked: 0 })
  recovery.schedule.set(doubt.id, askAtMs)
}

function found(
  recovery: Recovery,
  { doubt, old, fraction }: Extract<RecoveryEvent, { kind: 'found' }>,
  nowMs: number,
  { inquireAfterMs, inquirySpreadMs, maxDoubts }: RecoveryLimits,
): void {
  const known = recovery.watched.get(doubt.id)
  const isKnown = known?.doubt.digest === doubt.digest && known.doubt.token === doubt.token
  if (isKnown && (known.doubt.list !== undefined || doubt.list === undefined)) return
  if (known === undefined && recovery.watched.size >= maxDoubts) return
  const youngUntilMs = old ? nowMs : nowMs + inquireAfterMs
  const sinceMs = known?.sinceMs ?? youngUntilMs - inquireAfterMs
  watch(recovery, doubt, sinceMs, youngUntilMs, isKnown ? known.askAtMs : youngUntilMs + fraction * inquirySpreadMs)
}

function announced(
  recovery: Recovery,
  { group, term, fraction }: Extract<RecoveryEvent, { kind: 'announced' }>,
  nowMs: number,
  { inquirySpreadMs }: RecoveryLimits,
): void {
  // A leader that says it again knows no more than before: it is asked in the usual course.
  if (term <= (recovery.terms.get(group) ?? -1)) return
  recovery.terms.set(group, term)
  const askAtMs = nowMs + fraction * inquirySpreadMs
  for (const entry of recovery.watched.values()) {
    if (entry.group !== group) continue
    entry.asked = 0
    entry.askAtMs = Math.max(entry.youngUntilMs, Math.min(entry.askAtMs, askAtMs))
    recovery.schedule.set(entry.doubt.id, entry.askAtMs)
  }
}

/** One wave: as many as one message carries, and the rest with the next ones, so that a group is not flooded by what it missed. */
function ask(recovery: Recovery, fraction: number, nowMs: number, limits: RecoveryLimits): readonly Inquire[] {
  const { watched, schedule } = recovery
  if (nowMs < recovery.nextWaveMs) return []
  const asked = new Map<GroupId, HeldBranch[]>()
  let listed = 0
  for (const id of schedule.takeDue(nowMs, maxIdsPerMessage)) {
    const entry = watched.get(id)
    if (entry === undefined) continue
    const { group, doubt } = entry
    listed += doubt.list?.length ?? 0
    if (listed > maxListedPerInquiry) {
      schedule.set(id, entry.askAtMs)
      continue
    }
    const branches = asked.get(group) ?? []
    asked.set(group, branches)
    branches.push(doubt)
    const pauseMs = Math.min(limits.inquiryPauseMs * 2 ** entry.asked, limits.maxInquiryPauseMs)
    // Between half and the whole pause, so that the instances of a participant do not ask in step.
    entry.askAtMs = nowMs + pauseMs * (0.5 + fraction / 2)
    entry.asked = Math.min(entry.asked + 1, maxDoublings)
    schedule.set(id, entry.askAtMs)
  }
  if (asked.size > 0) recovery.nextWaveMs = nowMs + limits.inquiryWaveMs
  return [...asked].map(([group, branches]) => ({ group, branches }))
}

/** Any pause has reached its maximum by then; it keeps the power finite. */
const maxDoublings = 20
