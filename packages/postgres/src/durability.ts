import { ResourceUnfitError } from '@verdict/participant'
import type { Durability, ParticipantName } from '@verdict/protocol'
import type { Connection } from './connection.ts'
import { gidPrefix } from './gid.ts'

/** What the server is, as far as a vote rests on it (rule R13). */
export interface ServerSettings {
  readonly version: number
  readonly fsync: string
  readonly fullPageWrites: string
  readonly synchronousCommit: string
  readonly synchronousStandbyNames: string
  readonly maxPreparedTransactions: number
  readonly maxConnections: number
  readonly role: string
  /** Role of prepared branches of this participant that the role here could not end. */
  readonly foreignOwner: string | null
  /** Whether the role may read, write and collect the journal. */
  readonly mayWrite: boolean
}

const selectSettings = `
  select current_setting('server_version_num')::int as version, current_setting('fsync') as fsync,
    current_setting('full_page_writes') as "fullPageWrites", current_setting('synchronous_commit') as "synchronousCommit",
    current_setting('synchronous_standby_names') as "synchronousStandbyNames",
    current_setting('max_prepared_transactions')::int as "maxPreparedTransactions",
    current_setting('max_connections')::int as "maxConnections", current_user as role,
    (select min(owner) from pg_prepared_xacts
      where database = current_database() and starts_with(gid, $1) and owner <> current_user
        and not (select rolsuper from pg_roles where rolname = current_user)) as "foreignOwner",
    has_table_privilege('verdict.branch', 'insert') and has_table_privilege('verdict.branch', 'select')
      and has_table_privilege('verdict.branch', 'delete') and has_table_privilege('verdict.floor', 'insert')
      and has_table_privilege('verdict.floor', 'select') and has_table_privilege('verdict.floor', 'update') as "mayWrite"`

export async function readSettings(connection: Connection, participant: ParticipantName): Promise<ServerSettings> {
  const { rows } = await connection.query<ServerSettings>({ text: selectSettings, values: [gidPrefix(participant)] })
  const [settings] = rows
  if (!settings) throw new Error('broken invariant: the settings are one row')
  return settings
}

const oldestVersion = 140_000 // the oldest that PostgreSQL itself still mended when this was written

/** What keeps a server from being used at all: found, expected, how to mend it. */
function obstacle(settings: ServerSettings): string | undefined {
  const { version, maxPreparedTransactions, role, foreignOwner, mayWrite } = settings
  if (version < oldestVersion) return `The server's version is ${version / 10_000}, expected 14 or later. Upgrade it.`
  if (maxPreparedTransactions === 0) {
    return 'max_prepared_transactions is 0, so nothing can be prepared; expected some hundreds. Run ALTER SYSTEM SET max_prepared_transactions = 200 and restart the server.'
  }
  if (foreignOwner !== null) {
    return `Branches of this participant were prepared by the role ${foreignOwner}, and ${role} may not end them. Connect as ${foreignOwner}, or end those branches first.`
  }
  if (!mayWrite) {
    return `The role ${role} may not use the tables of Verdict. Run GRANT SELECT, INSERT, DELETE ON verdict.branch TO ${role} and GRANT SELECT, INSERT, UPDATE ON verdict.floor TO ${role} as their owner, or connect as the owner.`
  }
  return undefined
}

/** What makes a vote less than durable: found, expected, how to mend it. */
function weaknesses(settings: ServerSettings): readonly string[] {
  const { fsync, fullPageWrites, synchronousCommit, synchronousStandbyNames, role } = settings
  const found: string[] = []
  const mend = (name: string): string => `Run ALTER SYSTEM SET ${name} = on and SELECT pg_reload_conf().`
  if (fsync !== 'on')
    found.push(`fsync is ${fsync}, expected on: a power cut loses what was voted for. ${mend('fsync')}`)
  if (fullPageWrites !== 'on') {
    found.push(
      `full_page_writes is ${fullPageWrites}, expected on: a power cut tears pages. ${mend('full_page_writes')}`,
    )
  }
  const expected =
    synchronousStandbyNames === '' ? ['local', 'remote_write', 'on', 'remote_apply'] : ['on', 'remote_apply']
  if (!expected.includes(synchronousCommit)) {
    found.push(
      `synchronous_commit is ${synchronousCommit}, expected on or remote_apply: ${synchronousStandbyNames === '' ? 'a crash' : 'a failover'} loses what was acknowledged. Run ALTER ROLE ${role} SET synchronous_commit = on, or mend the server's setting.`,
    )
  }
  return found
}

/**
 * How durable a vote of this server is.
 * @throws ResourceUnfitError when it cannot be used, or is weak without being allowed to
 */
export function durabilityOf(settings: ServerSettings, allowed: Durability): Durability {
  const blocked = obstacle(settings)
  if (blocked !== undefined) throw unfit(blocked)
  const found = weaknesses(settings)
  if (found.length === 0) return 'full'
  if (allowed === 'weak') return 'weak'
  throw unfit(`${found.join(' ')} Or allow votes that can be lost with the option durability: 'weak'.`)
}

export function unfit(message: string, cause?: unknown): ResourceUnfitError {
  return new ResourceUnfitError(`This PostgreSQL cannot keep a vote. ${message}`, { cause })
}
