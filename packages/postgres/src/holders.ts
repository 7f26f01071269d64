import { type LockHolder, maxLockHolders, type ParticipantName, type TransactionId } from '@verdict/protocol'
import type { Connection } from './connection.ts'
import { readGid } from './gid.ts'

/** Whose branch a session of this instance works on, by its process id at the server. */
export type SessionOwners = ReadonlyMap<number, TransactionId>

const witnessed = new WeakMap<Error, readonly LockHolder[]>()

/** Keeps with an error of the database who held the lock that it is about. */
export function noteHolders(error: Error, holders: readonly LockHolder[]): void {
  witnessed.set(error, holders)
}

/** Who held the lock that this error is about; none where that was not found out. */
export function holdersOf(error: Error): readonly LockHolder[] {
  return witnessed.get(error) ?? []
}

// Whoever holds the very lock that the session waits for. `pg_blocking_pids` alone knows which of them are in its way; a prepared
// transaction is process 0 to it, has no process in `pg_locks`, and is known there by the lock on its own xid.
const selectHolders = `
  select holder.pid, holder.mode, waited.locktype as kind, session.application_name as application, prepared.gid,
    case when waited.database = (select oid from pg_database where datname = current_database())
      then waited.relation::regclass::text end as relation
  from pg_locks waited
  join pg_locks holder on holder.granted and holder.locktype = waited.locktype
    and holder.database is not distinct from waited.database and holder.relation is not distinct from waited.relation
    and holder.page is not distinct from waited.page and holder.tuple is not distinct from waited.tuple
    and holder.virtualxid is not distinct from waited.virtualxid
    and holder.transactionid is not distinct from waited.transactionid
    and holder.classid is not distinct from waited.classid and holder.objid is not distinct from waited.objid
    and holder.objsubid is not distinct from waited.objsubid
  left join pg_stat_activity session on session.pid = holder.pid
  left join pg_locks own on holder.pid is null and own.pid is null and own.locktype = 'transactionid'
    and own.virtualtransaction = holder.virtualtransaction
  left join pg_prepared_xacts prepared on prepared.transaction = own.transactionid
  where waited.pid = $1 and not waited.granted and coalesce(holder.pid, 0) = any(pg_blocking_pids($1))
    and (holder.pid is not null or prepared.gid is not null)
  limit $2`

interface Found {
  readonly pid: number | null
  readonly mode: string
  readonly kind: string
  readonly application: string | null
  readonly gid: string | null
  readonly relation: string | null
}

/** Who is in the way of a session that waits for a lock at this moment; none when it does not. */
export async function holdersFor(
  connection: Connection,
  participant: ParticipantName,
  waiter: number,
  owners: SessionOwners,
): Promise<readonly LockHolder[]> {
  const { rows } = await connection.query<Found>({ text: selectHolders, values: [waiter, maxLockHolders] })
  return rows.map(({ pid, mode, kind, application, gid, relation }) => {
    const transaction = gid === null ? pid !== null && owners.get(pid) : readGid(gid, participant)?.id
    const other = gid === null ? sessionName(pid, application) : `prepared transaction ${gid}`
    return { what: relation ?? whatIs(kind), mode, ...(transaction ? { transaction } : { other }) }
  })
}

const waitLine = /waits for (\w+) on ([^;]+); blocked by process (\d+)/g

/** Who was in the way of the victim of a deadlock, as the detail of the error tells. */
export function holdersInDeadlock(
  detail: string | undefined,
  victim: number,
  owners: SessionOwners,
): readonly LockHolder[] {
  return [...(detail ?? '').matchAll(waitLine)].flatMap(([, mode = '', what = '', process]) => {
    const pid = Number(process)
    if (pid === victim) return []
    const transaction = owners.get(pid)
    return { what: whatIs(what), mode, ...(transaction ? { transaction } : { other: sessionName(pid, null) }) }
  })
}

/** A row is locked by the transaction that has changed it: others wait for the end of that one. */
function whatIs(locked: string): string {
  return locked.startsWith('transaction') ? 'a row' : locked
}

function sessionName(pid: number | null, application: string | null): string {
  const name = application === null || application === '' ? '' : ` of ${JSON.stringify(application)}`
  return `session ${pid ?? 'of nobody'}${name}`
}
