import type { ReplicaId } from './message.ts'

/** This replica does not lead. What was proposed by the call is certainly not in the log on its account. */
export class NotLeaderError extends Error {
  override readonly name = 'NotLeaderError'
  readonly code = 'not-leader'
  /** Who leads, as far as this replica knows. */
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
