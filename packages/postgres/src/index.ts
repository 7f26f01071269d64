export type { Statement } from './connection.ts'
export { type PostgresOptions, type PostgresSession, postgres } from './resource.ts'
export { BranchMisuseError, type Sql, type SqlResult } from './session.ts'
