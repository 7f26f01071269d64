export type { MadeGroup } from './group-init.ts'
export type { InDoubtList, InDoubtTransaction } from './in-doubt.ts'
export type { GroupStatus, ReplicaStatus } from './status.ts'
export type { ShownTransaction } from './transaction.ts'
