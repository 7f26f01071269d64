import type { ChangeRefusal, TransferOutcome } from './effect.ts'
import type { ReplicaId } from './message.ts'

/** This replica does not lead. What was proposed by the call is certainly not in the log on its account. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError'
  readonly code = 'not-leader'
  /** Who else leads, as far as this replica knows; undefined too while it hands its own leadership over. */
  readonly leader: ReplicaId | undefined
  constructor(leader: ReplicaId | undefined) {
    super(
      leader === undefined
        ? 'This replica does not lead, and knows of no leader now. Ask again in a moment, or ask another replica.'
        : `This replica does not lead; ${leader} does. Ask there.`,
    )
    this.leader = leader
  }
}

/** Too much waits already. Nothing was put into the log; trying again a little later is harmless. */
export class OverloadedError extends Error {
  override readonly name = 'OverloadedError'
  readonly code = 'overloaded'
  constructor(what: string) {
    super(`Too many ${what} wait at this replica. This one was not taken; try again in a moment, with fewer at a time.`)
  }
}

/** Leadership was lost, or the replica stopped, after the command was put into the log: it may or may not be committed. */
export class ProposalUncertainError extends Error {
  override readonly name = 'ProposalUncertainError'
  readonly code = 'proposal-uncertain'
  constructor(options?: ErrorOptions) {
    super(
      'This replica lost its leadership before the command was committed here; the command may still be committed. ' +
        'Ask the next leader what came of it before proposing it again.',
      options,
    )
  }
}

/** The command does not fit into one message. */
export class CommandTooLargeError extends Error {
  override readonly name = 'CommandTooLargeError'
  readonly code = 'command-too-large'
  constructor(sizeBytes: number, maxBytes: number) {
    super(
      `The command has ${sizeBytes} bytes, at most ${maxBytes} fit into one entry of the log. Propose a smaller one.`,
    )
  }
}

/** A group, a replica or its settings that cannot be as configured. Nothing was written. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
  readonly code = 'bad-configuration'
}

type MembershipRefusal = Exclude<ChangeRefusal, 'notLeader'>

const membershipRefusals: Readonly<Record<MembershipRefusal, { readonly text: string; readonly retryable: boolean }>> =
  {
    changeUnderWay: { text: 'another change is not committed yet. Try again in a moment.', retryable: true },
    termNotOpen: {
      text: 'the leader is new, and has not committed an entry of its term yet. Try again in a moment.',
      retryable: true,
    },
    notCaughtUp: {
      text: 'the learner does not have enough of the log yet. It goes on catching up; try again later.',
      retryable: true,
    },
    tooFewAlive: {
      text: 'too few of the voters that would remain answer now; it could not be committed, nor undone. Start them first.',
      retryable: true,
    },
    alreadyMember: { text: 'the replica is a member already.', retryable: false },
    alreadyVoter: { text: 'the replica is a voter already.', retryable: false },
    notLearner: { text: 'only a learner can become a voter. Add the replica first.', retryable: false },
    notMember: { text: 'the replica is no member.', retryable: false },
    lastVoter: {
      text: 'the last voter cannot go: nobody would be left to decide anything. Add another first.',
      retryable: false,
    },
    tooMany: { text: 'the group has as many replicas as a group may have. Remove one first.', retryable: false },
  }

/** A change of the membership was refused. Nothing was put into the log. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError'
  readonly code = 'membership-change-refused'
  readonly why: MembershipRefusal
  /** Whether the same change may pass later. */
  readonly retryable: boolean
  constructor(why: MembershipRefusal) {
    const { text, retryable } = membershipRefusals[why]
    super(`The membership was not changed: ${text}`)
    this.why = why
    this.retryable = retryable
  }
}

type TransferFailure = Exclude<TransferOutcome, 'done' | 'notLeader'>

const transferFailures: Readonly<Record<TransferFailure, string>> = {
  underWay: 'another transfer is under way. Wait for its end.',
  noVoter: 'no other voter can take over. Name a voter, or add one.',
  unreachable: 'the replica that should take over does not answer. Start it, or name another.',
  timedOut: 'the replica that should take over did not do so in time. Try again, or name another.',
}

/** The leadership was not handed over; unless another replica was elected meanwhile, this one leads on. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
  readonly code = 'transfer-failed'
  readonly why: TransferFailure
  constructor(why: TransferFailure) {
    super(`The leadership was not handed over: ${transferFailures[why]}`)
    this.why = why
  }
}

/** A message that cannot be used. Whoever receives it counts it and drops it. */
export class MalformedMessageError extends Error {
  override readonly name = 'MalformedMessageError'
  readonly code = 'malformed-message'
  constructor(found: string) {
    super(`A message of Raft cannot be used: ${found}.`)
  }
}

export type StoreErrorCode =
  | 'uninitialised'
  | 'initialised'
  | 'in-use'
  | 'foreign'
  | 'future-version'
  | 'damaged'
  | 'outdated'
  | 'full'
  | 'failed'

/** A store that cannot be used, or no longer. The message says what was found, what was expected and what to do. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  readonly code: StoreErrorCode
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
