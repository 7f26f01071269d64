import {
  type Actor,
  type BranchList,
  type CalledBranch,
  type Digest,
  type InstanceId,
  type Operation,
  type Outcome,
  type ParticipantName,
  type Reason,
  reasonCodes,
  type TraceContext,
  type Vote,
} from '@verdict/protocol'
import type { BranchProgress, Commit, CommitTiming, Holder, Sealed } from './commit-state.ts'
import { decisionOf, goneReason, type Proposal, spentReason } from './proposal.ts'

export type CommitEvent =
  /** The owner asked for the commit, the first time or again. */
  | {
      readonly kind: 'asked'
      readonly sealed: Sealed
      readonly endsAtMs: number
      readonly begunAtMs: number
      readonly trace: TraceContext | undefined
    }
  /** The owner asked for the abort. */
  | {
      readonly kind: 'abortAsked'
      readonly sealed: Sealed
      readonly reason: Reason
      readonly trace: TraceContext | undefined
    }
  /** An operator aborts it. */
  | { readonly kind: 'forced'; readonly actor: Actor; readonly reason: Reason }
  /** A participant holds a prepared branch and asked for the outcome; with the list, where it still had it. */
  | {
      readonly kind: 'held'
      readonly holder: Holder
      readonly list: BranchList | undefined
      readonly endsAtMs: number
      readonly trace: TraceContext | undefined
    }
  | { readonly kind: 'voted'; readonly participant: ParticipantName; readonly digest: Digest; readonly vote: Vote }
  /** Nobody listened where a prepare was sent. */
  | { readonly kind: 'unreachable'; readonly participant: ParticipantName; readonly instance: InstanceId | undefined }
  | { readonly kind: 'woke' }

export type CommitEffect =
  | {
      readonly kind: 'prepare'
      readonly participant: ParticipantName
      /** The instance to ask; any of them when undefined. */
      readonly instance: InstanceId | undefined
      readonly operations: readonly Operation[] | undefined
    }
  | { readonly kind: 'propose'; readonly decision: Proposal }
  /** Every branch only read: nothing was written, nothing needs to be recorded (rule R10). */
  | { readonly kind: 'readOnly' }

/** Advances one commit in place and says what is to be done. The same state and event always give the same result. */
export function advanceCommit(commit: Commit, event: CommitEvent, nowMs: number, timing: CommitTiming): CommitEffect[] {
  if (commit.stage === 'deciding') return []
  switch (event.kind) {
    case 'asked':
      return asked(commit, event, nowMs, timing)
    case 'abortAsked':
      commit.trace ??= event.trace
      if (commit.sealed === undefined) seal(commit, event.sealed)
      // Another list than the one under way decides nothing here: the asker is answered by the record (rule R4).
      if (commit.sealed?.digest !== event.sealed.digest) return []
      commit.actor = { kind: 'owner' }
      return [propose(commit, 'aborted', event.reason)]
    case 'forced':
      commit.actor = event.actor
      return [propose(commit, 'aborted', event.reason)]
    case 'held':
      return held(commit, event, nowMs, timing)
    case 'voted':
      return voted(commit, event, nowMs, timing)
    case 'unreachable':
      return unreachable(commit, event, nowMs, timing)
    case 'woke':
      return woke(commit, nowMs, timing)
  }
}

/** When the commit wants to be woken next. */
export function wakeAtMs(commit: Commit): number | undefined {
  if (commit.stage === 'deciding') return undefined
  return asking(commit).reduce((earliest, branch) => Math.min(earliest, branch.resendAtMs), commit.endsAtMs)
}

/** Whether the vote of this participant is awaited. */
export function isAwaited({ branches }: Commit, participant: ParticipantName): boolean {
  return branches.some(({ listed, vote }) => listed.participant === participant && vote === 'awaited')
}

/** The branches that are asked now: all that have not voted, or the next of them where they are asked in order (rule R7). */
function asking({ branches, sealed }: Commit): readonly BranchProgress[] {
  const awaited = branches.filter(({ vote }) => vote === 'awaited')
  return sealed?.ordered ? awaited.slice(0, 1) : awaited
}

function asked(
  commit: Commit,
  event: Extract<CommitEvent, { kind: 'asked' }>,
  nowMs: number,
  timing: CommitTiming,
): CommitEffect[] {
  commit.trace ??= event.trace
  commit.begunAtMs ??= event.begunAtMs
  if (commit.sealed === undefined) {
    commit.actor = { kind: 'owner' }
    commit.endsAtMs = event.endsAtMs
    seal(commit, event.sealed)
    return askAll(commit, nowMs, timing)
  }
  if (commit.sealed.digest !== event.sealed.digest) return []
  // The owner is back: its budget counts, and it brings the operations that a holder could not know.
  if (commit.actor.kind === 'holder') commit.endsAtMs = event.endsAtMs
  commit.actor = { kind: 'owner' }
  if (commit.sealed.operations !== undefined || event.sealed.operations === undefined) return []
  commit.sealed = event.sealed
  return askAll(commit, nowMs, timing)
}

function held(
  commit: Commit,
  event: Extract<CommitEvent, { kind: 'held' }>,
  nowMs: number,
  timing: CommitTiming,
): CommitEffect[] {
  if (commit.sealed !== undefined) return []
  commit.trace ??= event.trace
  if (commit.holder === undefined) {
    commit.holder = event.holder
    commit.actor = { kind: 'holder', participant: event.holder.participant }
    commit.endsAtMs = event.endsAtMs
  }
  if (event.list === undefined) return []
  seal(commit, { list: event.list, digest: event.holder.digest, operations: undefined })
  return askAll(commit, nowMs, timing)
}

function seal(commit: Commit, sealed: Sealed): void {
  commit.sealed = sealed
  commit.holder = undefined
  commit.stage = 'collecting'
  commit.branches = sealed.list.map((listed) => ({
    listed,
    vote: 'awaited',
    instance: undefined,
    token: undefined,
    results: undefined,
    harmless: false,
    reason: undefined,
    sent: 0,
    resendAtMs: 0,
    lockTimeouts: [],
    namedGone: false,
  }))
}

function voted(
  commit: Commit,
  { participant, digest, vote }: Extract<CommitEvent, { kind: 'voted' }>,
  nowMs: number,
  timing: CommitTiming,
): CommitEffect[] {
  // A vote counts only for its own list (rule R4), and only the first one of a branch.
  if (commit.sealed?.digest !== digest) return []
  const branch = commit.branches.find(({ listed }) => listed.participant === participant)
  if (branch === undefined || branch.vote !== 'awaited') return []
  switch (vote.kind) {
    case 'busy':
      if (!foundNothing(branch, vote)) return []
      // Asked before the other one, the named instance may have died since: whether it still listens is known at once.
      return branch.namedGone
        ? [propose(commit, 'aborted', goneReason(participant))]
        : [prepareAt(commit, branch, branch.listed.instance)]
    case 'refused':
      if (isOwnEcho(branch, vote)) return []
      branch.vote = 'refused'
      branch.instance = vote.instance
      branch.reason = { ...vote.reason, participant }
      return [propose(commit, 'aborted', branch.reason)]
    case 'prepared':
    case 'read-only':
      // The list names the opening; a vote of another one is no vote for it (rule R5).
      if (branch.listed.kind === 'called' && branch.listed.token !== vote.token) return []
      branch.vote = vote.kind
      branch.instance = vote.instance
      branch.token = vote.token
      branch.results = vote.results
      // A called branch is not executed again; a one-shot is, and writes nothing only if it is declared not to.
      branch.harmless = vote.kind === 'read-only' && (branch.listed.kind === 'called' || vote.declared === true)
      return whenAllVoted(commit) ?? (commit.sealed.ordered ? askAll(commit, nowMs, timing) : [])
  }
}

/**
 * Another instance than the named one found neither branch nor row. If the named one is gone too, the unprepared branch died with
 * it, and waiting for it would only hold the others' locks (rule R5).
 */
function foundNothing(
  branch: BranchProgress,
  vote: Extract<Vote, { kind: 'busy' }>,
): branch is BranchProgress & { listed: CalledBranch } {
  return branch.listed.kind === 'called' && vote.found === 'nothing' && vote.instance !== branch.listed.instance
}

/**
 * A resent one-shot may wait for the locks of its own first copy at another instance: that refusal must not kill a healthy
 * transaction. It is no echo once every copy that was sent has been refused, or an instance says so again: copies that meet at one
 * instance run there once, and it looks for another's prepared branch before it repeats itself.
 */
function isOwnEcho({ listed, lockTimeouts, sent }: BranchProgress, vote: Extract<Vote, { kind: 'refused' }>): boolean {
  if (listed.kind !== 'oneShot' || vote.reason.code !== reasonCodes.lockTimeout) return false
  if (lockTimeouts.includes(vote.instance)) return false
  lockTimeouts.push(vote.instance)
  return lockTimeouts.length < sent
}

function whenAllVoted(commit: Commit): CommitEffect[] | undefined {
  if (commit.branches.some(({ vote }) => vote === 'awaited')) return undefined
  const onlyRead = commit.branches.every(({ harmless }) => harmless)
  // What may write when it is executed again, and a kept id, which is asked for again, are logged (rules R10, R17).
  if (!onlyRead || commit.kept) return [propose(commit, 'committed', undefined)]
  commit.stage = 'deciding'
  return [{ kind: 'readOnly' }]
}

function unreachable(
  commit: Commit,
  { participant, instance }: Extract<CommitEvent, { kind: 'unreachable' }>,
  nowMs: number,
  timing: CommitTiming,
): CommitEffect[] {
  const branch = commit.branches.find(({ listed }) => listed.participant === participant)
  if (branch === undefined || branch.vote !== 'awaited') return []
  // Another instance may hold the prepared branch in its database: ask any of them at once. When none listens, the resend does.
  if (branch.listed.kind !== 'called' || instance !== branch.listed.instance || branch.namedGone) return []
  branch.namedGone = true
  return [ask(commit, branch, nowMs, timing)]
}

function woke(commit: Commit, nowMs: number, timing: CommitTiming): CommitEffect[] {
  if (nowMs >= commit.endsAtMs) return [propose(commit, 'aborted', spentReason(commit))]
  return asking(commit)
    .filter(({ resendAtMs }) => nowMs >= resendAtMs)
    .map((branch) => ask(commit, branch, nowMs, timing))
}

function askAll(commit: Commit, nowMs: number, timing: CommitTiming): CommitEffect[] {
  return asking(commit).map((branch) => ask(commit, branch, nowMs, timing))
}

function ask(
  commit: Commit,
  branch: BranchProgress,
  nowMs: number,
  { resendMs, maxResendMs }: CommitTiming,
): CommitEffect {
  const { listed } = branch
  const named = listed.kind === 'called' ? listed.instance : undefined
  // Resends alternate between the named instance and any: whoever holds the prepared branch by now can vote.
  const instance = branch.namedGone || branch.sent % 2 === 1 ? undefined : named
  branch.resendAtMs = nowMs + Math.min(resendMs * 2 ** branch.sent, maxResendMs)
  branch.sent += 1
  return prepareAt(commit, branch, instance)
}

function prepareAt(commit: Commit, branch: BranchProgress, instance: InstanceId | undefined): CommitEffect {
  const operations = commit.sealed?.operations?.[commit.branches.indexOf(branch)]
  return { kind: 'prepare', participant: branch.listed.participant, instance, operations }
}

function propose(commit: Commit, outcome: Outcome, reason: Reason | undefined): CommitEffect {
  commit.stage = 'deciding'
  return { kind: 'propose', decision: decisionOf(commit, outcome, reason) }
}
