import {
  cutText,
  type DecidedBranch,
  type Decision,
  type Digest,
  type Outcome,
  type ParticipantName,
  type Reason,
  reasonCodes,
} from '@verdict/protocol'
import type { Commit } from './commit-state.ts'

/** What a commit proposes to the log: everything of the record but its wall-clock time. */
export type Proposal = Omit<Decision, 'decidedAtMs'>

/** The decision with the votes as they are counted now. */
export function decisionOf(commit: Commit, outcome: Outcome, reason: Reason | undefined): Proposal {
  return {
    id: commit.id,
    outcome,
    digest: digestOfCommit(commit),
    branches: decidedBranches(commit),
    actor: commit.actor,
    ...(reason === undefined ? {} : { reason }),
    ...(commit.trace === undefined ? {} : { trace: commit.trace }),
  }
}

/** Why a commit is aborted whose time ran out. */
export function spentReason({ sealed, branches }: Commit): Reason {
  if (sealed === undefined) {
    return {
      code: reasonCodes.listLost,
      message: 'A prepared branch was left, and nobody who knew the other branches asked in time.',
      retryable: true,
    }
  }
  const silent = branches.filter(({ vote }) => vote === 'awaited').map(({ listed }) => listed.participant)
  return {
    code: reasonCodes.budgetSpent,
    message: cutText(`The budget was spent before ${silent.join(', ')} voted.`),
    retryable: true,
  }
}

/** Why a commit is aborted whose unprepared branch died with its instance. */
export function goneReason(participant: ParticipantName): Reason {
  return {
    code: reasonCodes.instanceGone,
    message: `The instance of ${participant} that held the branch is gone, and the branch with it.`,
    retryable: true,
    participant,
  }
}

function digestOfCommit({ sealed, holder, id }: Commit): Digest {
  const digest = sealed?.digest ?? holder?.digest
  if (digest === undefined) throw new Error(`Broken invariant: ${id} is decided without a list or a holder.`)
  return digest
}

function decidedBranches({ branches, holder }: Commit): DecidedBranch[] {
  // Without a list the record knows only the branch that asked (rule R6).
  if (holder !== undefined) return [{ participant: holder.participant, vote: 'unknown', token: holder.token }]
  return branches.map(({ listed, vote, instance, token }) => {
    const known = {
      instance: instance ?? (listed.kind === 'called' ? listed.instance : undefined),
      token: token ?? (listed.kind === 'called' ? listed.token : undefined),
    }
    return {
      participant: listed.participant,
      vote: vote === 'awaited' ? 'unknown' : vote,
      ...(known.instance === undefined ? {} : { instance: known.instance }),
      ...(known.token === undefined ? {} : { token: known.token }),
    }
  })
}
