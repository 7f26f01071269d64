import { type BranchNote, type Mode, ResourceUnfitError, type Row } from '@verdict/participant'
import type { Digest, ParticipantName, Payload, Token, TransactionId } from '@verdict/protocol'
import { type Connection, type Statement, sqlState } from './connection.ts'
import { floorMigration } from './floor.ts'
import { sqlStates } from './reason.ts'

// The journal: one row for each branch that was committed or buried, unique by id. It is written in the branch's own local
// transaction, so it is there exactly when the effects are, and stays until its epoch is at or below the floor.

const migrations: readonly string[] = [
  `create table verdict.branch (
    id text collate "C" not null,
    participant text collate "C" not null,
    state text collate "C" not null check (state in ('committed', 'aborted')),
    xid xid8 not null,
    digest text collate "C" not null,
    token text collate "C" check (token is not null or state = 'aborted'),
    results bytea[],
    trace jsonb,
    written_at timestamptz not null default now(),
    primary key (id, participant)
  );
  comment on table verdict.branch is 'Branches of distributed transactions that ended here. Kept by Verdict; a deleted row lets a late message run twice.'`,
  // Before there were lone ones, every row was one that a group had decided.
  `alter table verdict.branch add column mode text collate "C" not null default 'logged' check (mode in ('lone', 'logged'))`,
  floorMigration,
]

const migrationLock = 7_236_182_004 // any number that nobody else locks; all instances start behind it, one by one

// A prepared branch holds the table that it has a row in, and whoever waits for it keeps others from preparing meanwhile.
const migrationTimeoutMs = 3_000

/**
 * Makes the journal, or brings it up to date. Any number of instances may do so at once. The connection keeps a lock until it ends.
 * @throws ResourceUnfitError when it was made by a later release, or is held by branches in doubt
 */
export async function migrate(connection: Connection): Promise<void> {
  if ((await readFound(connection)).version === migrations.length) return // then no right to create anything is needed
  // Before the transaction, not in it: one that has begun may not notice what was created while it waited.
  await connection.command(`select pg_advisory_lock(${migrationLock})`)
  const { hasSchema, version } = await readFound(connection)
  if (version > migrations.length) {
    throw new ResourceUnfitError(
      `The tables of Verdict in this database are of version ${version}, this release knows versions up to ${migrations.length}. Start the release that made them, or a later one.`,
    )
  }
  const changing = connection.script([
    'begin',
    `set local lock_timeout = ${migrationTimeoutMs}`,
    ...(hasSchema ? [] : ['create schema verdict']), // IF NOT EXISTS would ask for the right to create it also when it exists
    'create table if not exists verdict.version (version integer not null)',
    ...migrations.slice(version),
    'delete from verdict.version',
    `insert into verdict.version values (${migrations.length})`,
    'commit',
  ])
  await changing.catch((cause: unknown) => {
    if (sqlState(cause) !== sqlStates.lockNotAvailable) throw cause
    throw new ResourceUnfitError(
      'The tables of Verdict could not be brought up to date, since branches in doubt hold them. Let the release that prepared these branches end them, then start this one.',
      { cause },
    )
  })
}

interface Found {
  readonly hasSchema: boolean
  readonly version: number
}

async function readFound(connection: Connection): Promise<Found> {
  const { rows } = await connection.query<{ hasSchema: boolean; hasVersion: boolean }>({
    text: `select to_regnamespace('verdict') is not null as "hasSchema", to_regclass('verdict.version') is not null as "hasVersion"`,
  })
  const [found] = rows
  if (!found?.hasVersion) return { hasSchema: found?.hasSchema === true, version: 0 }
  const versions = await connection.query<{ version: number }>({ text: 'select version from verdict.version' })
  return { hasSchema: true, version: versions.rows[0]?.version ?? 0 }
}

/**
 * How a branch's local transaction begins: with a mark that no other transaction has, so that the row finds out when the
 * operation ended it, or changed the role, without our seeing it.
 */
export function beginBranch(
  { role }: Connection,
  { lockTimeoutMs, readOnly }: { readonly lockTimeoutMs: number; readonly readOnly: boolean },
): readonly string[] {
  const mark = `'${role.replaceAll("'", "''")}'`
  return [
    `begin ${readOnly ? 'read only' : 'read write'}`,
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local verdict.branch = ${mark}`,
  ]
}

// A row waits for another one of its id only shortly, while deferred constraints, which come after it, wait as long as any
// statement: hence a lock time-out before (`where`) and one after (`returning`). NOT NULL turns two findings into a failure that
// keeps PREPARE or COMMIT, sent right behind, from succeeding: no mark (`state`), and nothing written (`xid`), unless the row alone
// will do.
const insertRow = `
  insert into verdict.branch (participant, id, digest, token, results, trace, mode, state, xid)
  select $1::text, $2::text, $3::text, $4::text, $5::bytea[], $6::jsonb, $10::text,
    case when current_setting('verdict.branch', true) = current_user then 'committed' end,
    case when $11::boolean then pg_current_xact_id_if_assigned() else pg_current_xact_id() end
  where set_config('lock_timeout', $7, true) is not null and set_config('synchronous_commit', $8, true) is not null
    and set_config('verdict.floor', $12, true) is not null
  returning set_config('lock_timeout', $9, true)`

/** What a row is that a branch writes of itself. */
export interface RowKind {
  readonly mode: Mode
  /** Whether anything else must have been written before it. */
  readonly writes: boolean
}

export interface RowOptions {
  readonly kind: RowKind
  /** For another row of the same id. */
  readonly rowTimeoutMs: number
  /** For everything else. */
  readonly lockTimeoutMs: number
}

/** Writes the row of a branch, as its last statement. */
export function rowOf(
  participant: ParticipantName,
  note: BranchNote,
  { synchronousCommit, keepsSnapshot }: Connection,
  options: RowOptions,
): Statement {
  const { id, digest, token, results, trace } = note
  const what = [
    id,
    digest,
    token,
    results?.map((value) => Buffer.from(value)) ?? null,
    trace ? JSON.stringify(trace) : null,
  ]
  const { mode, writes } = options.kind
  const floor = keepsSnapshot ? 'elsewhere' : ''
  const waits = [`${options.rowTimeoutMs}ms`, synchronousCommit, `${options.lockTimeoutMs}ms`]
  const how = [...waits, mode, writes, floor]
  return { name: 'verdict_row', text: insertRow, values: [participant, ...what, ...how] }
}

/** Writes a row `aborted`, unless there is one. */
export function tombstoneOf(participant: ParticipantName, id: TransactionId, digest: Digest): Statement {
  return {
    name: 'verdict_tombstone',
    text: `insert into verdict.branch (participant, id, digest, state, xid)
      values ($1, $2, $3, 'aborted', pg_current_xact_id()) on conflict do nothing`,
    values: [participant, id, digest],
  }
}

export interface JournalRow {
  readonly state: 'committed' | 'aborted'
  readonly mode: Mode
  readonly digest: Digest
  readonly token: Token | null
  readonly results: readonly Buffer[] | null
}

export function selectRow(participant: ParticipantName, id: TransactionId): Statement {
  return {
    name: 'verdict_look',
    text: 'select state, mode, digest, token, results from verdict.branch where participant = $1 and id = $2',
    values: [participant, id],
  }
}

/** The row as the contract has it. */
export function endedRow({ state, mode, digest, token, results }: JournalRow): Row {
  if (state === 'aborted') return { state }
  if (token === null) throw new Error('broken invariant: a committed row has a token')
  // A Buffer may be a view of a larger one; a payload is plain bytes.
  const payloads = results?.map((value) => new Uint8Array(value) as Payload)
  return { state, mode, digest, token, ...(payloads ? { results: payloads } : {}) }
}
