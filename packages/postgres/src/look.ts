import type { BranchKey, HeldRow, History, Row } from '@verdict/participant'
import type { ParticipantName, TransactionId } from '@verdict/protocol'
import type { Connection, Statement } from './connection.ts'
import { gidPrefix, type PreparedBranch, readGid } from './gid.ts'
import { endedRow, type JournalRow, selectRow } from './journal.ts'
import { operations } from './tracing.ts'

// Names of prepared transactions are those of the whole server, but only one's own database can be seen into and ended.
function selectPrepared(prefix: string): Statement {
  return {
    name: 'verdict_prepared',
    text: 'select gid from pg_prepared_xacts where database = current_database() and starts_with(gid, $1)',
    values: [prefix],
  }
}

const selectInDoubt = `
  select gid from pg_prepared_xacts
  where database = current_database() and starts_with(gid, $1)
    and prepared not between clock_timestamp() - $2 * interval '1 millisecond' and clock_timestamp()
  order by prepared limit $3`

interface Listed {
  readonly gid: string
}

/** The prepared branch of this id, if there is one. */
export async function findPrepared(
  connection: Connection,
  participant: ParticipantName,
  id: TransactionId,
): Promise<PreparedBranch | undefined> {
  const statement = selectPrepared(`${gidPrefix(participant)}${id}_`)
  const { rows } = await connection.query<Listed>(statement, operations.selectPrepared)
  return rows.map(({ gid }) => readGid(gid, participant)).find((found) => found !== undefined)
}

/**
 * What is there for an id: the list of prepared transactions, then the row, then the list again, in one round trip (rule R14). A
 * branch that ends leaves the list only when its row can be seen, so it is found in one of them, or was gone before.
 */
export async function lookUp(connection: Connection, participant: ParticipantName, id: TransactionId): Promise<Row> {
  const [before, { rows }, after] = await Promise.all([
    findPrepared(connection, participant, id),
    connection.query<JournalRow>(selectRow(participant, id), operations.selectRow),
    findPrepared(connection, participant, id),
  ])
  const [row] = rows
  const seen: Row = row
    ? endedRow(row)
    : after
      ? { state: 'prepared', digest: after.digest, token: after.token, history: historyOf(connection, after) }
      : { state: before ? 'underway' : 'nothing' }
  if (seen.state === 'nothing' || seen.state === 'underway') return seen
  await confirmSeen(connection)
  return connection.unconfirmed ? { state: 'underway' } : seen
}

/**
 * The prepared branches of at least this age by the server's clock, oldest first. Those from the future are old as well: the clock was
 * set back, and they must not wait until it has caught up.
 */
export async function listInDoubt(
  connection: Connection,
  participant: ParticipantName,
  { minAgeMs, limit }: { readonly minAgeMs: number; readonly limit: number },
): Promise<readonly HeldRow[]> {
  const values = [gidPrefix(participant), minAgeMs, limit]
  const { rows } = await connection.query<Listed>({ text: selectInDoubt, values })
  return rows.flatMap(({ gid }) => {
    const found = readGid(gid, participant)
    return found ? [{ ...keyOf(found), history: historyOf(connection, found) }] : []
  })
}

function keyOf({ id, digest, token }: PreparedBranch): BranchKey {
  return { id, digest, token }
}

function historyOf(connection: Connection, { history }: PreparedBranch): History {
  return history === connection.history ? 'same' : 'changed'
}

/**
 * Makes what was seen durable before it is spoken of (rule R13). This server lists a prepared transaction, and shows a row, only
 * after its own flush (`EndPrepare` flushes before `MarkAsPrepared`; `RecordTransactionCommitPrepared` and
 * `RecordTransactionCommit` flush before the process array shows the end). But it waits for a synchronous standby after it lists,
 * and a cancelled wait shows the row too: a commit of our own, which comes behind in the log, waits for the standby again.
 */
async function confirmSeen(connection: Connection): Promise<void> {
  const asked = {
    name: 'verdict_replicated',
    text: `select current_setting('synchronous_standby_names') <> '' as replicated`,
  }
  const { rows } = await connection.query<{ replicated: boolean }>(asked, operations.ask)
  if (rows[0]?.replicated !== true) return
  await connection.query({ text: `select pg_logical_emit_message(true, 'verdict', '')` }, operations.ask)
}
