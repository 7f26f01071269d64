/** The protocol's limits. Each protects the one that it is counted at; all are told to the user when they are met. */

/** Branches of one transaction. Each is a vote to wait for, and all their entries share one log record. */
export const maxBranches = 128

/** Bytes of one call's encoded arguments or value. Sixteen of them still fit into one message of the bus (1 MiB). */
export const maxPayloadBytes: number = 64 * 1024

/** Bytes of all operations of a one-shot transaction: they travel in one commit message. */
export const maxOperationsBytes: number = 512 * 1024

/** Bytes of all results that one answer carries; beyond it the answer says that results are pending. */
export const maxResultsBytes: number = 512 * 1024

/** Operations that one branch of a one-shot transaction may run: they all run inside one prepare. */
export const maxOperationsPerBranch = 64

/** Calls of one branch. Their results are kept until the branch ends. */
export const maxCallsPerBranch = 1024

/** Ids in one look, branches in one inquiry, rows in one sweep: one message stays far below 1 MiB. */
export const maxIdsPerMessage = 256

/** Characters of a reason's or a note's text. It is kept in the log. */
export const maxTextLength = 1000

/** Characters of a reason's code and of an operation's name. They are labels, for programs. */
export const maxLabelLength = 64

/** Holders of a lock that a reason names: whoever reads it wants the first ones, and they are kept in the log. */
export const maxLockHolders = 4

/** Characters of what a holder has locked, and of who it is when it is no transaction. */
export const maxWhatLength = 128

/** Budgets that fit into the retention of a group: what is begun must be decided, and be told, before it may be forgotten (rule R11). */
export const budgetsPerRetention = 3

/** Longest budget of a transaction: a third of an hour, which is how long groups keep what is settled unless they were told otherwise. */
export const maxBudgetMs: number = 20 * 60_000

/** Replicas of a group: each more costs a flush per batch, and seven survive the loss of three. */
export const maxReplicas = 7

/** Name lengths: with them the longest name of a prepared transaction stays below PostgreSQL's 199 bytes. */
export const maxGroupNameLength = 14
export const maxOwnerNameLength = 24
export const maxParticipantNameLength = 30
