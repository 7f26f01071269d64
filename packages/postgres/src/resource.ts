import {
  type BranchKey,
  type Collected,
  type HeldRow,
  type OpenBranch,
  type OpenOptions,
  type Resource,
  type ResourceContext,
  type ResourceFacts,
  ResourceRefusal,
  ResourceUnfitError,
  type Row,
} from '@verdict/participant'
import {
  type Digest,
  type Durability,
  type Epoch,
  type GroupId,
  type LockHolder,
  type ParticipantName,
  type Reason,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import { PostgresBranch, rowTimeoutMs } from './branch.ts'
import { capacityOf, finishConnections, lookConnections } from './capacity.ts'
import { Connection, isStoreError, sqlState } from './connection.ts'
import { durabilityOf, readSettings, type ServerSettings, unfit } from './durability.ts'
import { type Ending, type Finish, finish, tombstone } from './finish.ts'
import { collect, forgetRows, isExpired, raiseFloor, readFloors } from './floor.ts'
import { holdersFor } from './holders.ts'
import { migrate } from './journal.ts'
import { findPrepared, listInDoubt, lookUp } from './look.ts'
import { Pool } from './pool.ts'
import { explain, reason, reasonOf, sqlStates } from './reason.ts'
import type { Sql } from './session.ts'

export interface PostgresOptions {
  /**
   * Where the database is, as `postgres://user:password@host:port/database`; what it leaves out comes from the variables of libpq
   * (`PGHOST`, …). Straight to the server: a pooler that changes sessions between transactions breaks the branch.
   */
  readonly connectionString?: string | undefined
  /**
   * Branches that one instance may have open or prepared at a time; an open one takes a connection. Default 64, or what the
   * server has room for.
   */
  readonly capacity?: number
  /** `weak` allows a server whose settings may lose a vote in a power cut or failover; every vote then says so. Default `full`. */
  readonly durability?: Durability
}

/** What an operation works with. */
export interface PostgresSession {
  readonly sql: Sql
}

/** A PostgreSQL database, 14 or later, as the resource of a participant. It needs `max_prepared_transactions` above 0. */
export function postgres(options: PostgresOptions = {}): Resource<PostgresSession> {
  return new PostgresResource(options)
}

const controlTimeoutMs = 10_000 // for ending, looking, burying and collecting: all of them are tried again

// Outside of `begin read write` nothing can be written: when a BEGIN fails, or an operation ends its transaction, a statement that
// follows cannot commit by itself behind the protocol's back.
const branchSettings = { default_transaction_read_only: 'on' }

// Other instances may be making the tables at this moment.
const startSettings = { default_transaction_read_only: 'off', lock_timeout: '30s' }

// A look has to see what was committed before it, whatever the role's default is; a tombstone waits for a row only shortly.
const phaseTwoSettings = {
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read committed',
  lock_timeout: `${rowTimeoutMs}ms`,
}

const askTimeoutMs = 500 // catalogues answer in milliseconds, and an explanation is not worth more

const terminateTimeoutMs = 2_000 // a statement notices at its next interrupt; none of PostgreSQL's own takes longer

interface Running {
  readonly participant: ParticipantName
  readonly capacity: number
  readonly branches: Pool
  readonly finishing: Pool
  readonly looking: Pool
  /** Whose branch each session works on. */
  readonly owners: Map<number, TransactionId>
  /** Whether somebody asks who holds a lock: one at a time, since looking for votes comes first. */
  asking: boolean
}

class PostgresResource implements Resource<PostgresSession> {
  readonly #options: PostgresOptions
  #running: Running | undefined

  constructor(options: PostgresOptions) {
    this.#options = options
  }

  async start({ participant }: ResourceContext): Promise<ResourceFacts> {
    const { capacity: configured, durability: allowed = 'full', connectionString } = this.#options
    const applicationName = `verdict ${participant}`
    const phaseTwo = { connectionString, applicationName, sessionSettings: phaseTwoSettings }
    const starting = { connectionString, applicationName, sessionSettings: startSettings }
    const settings = await prepareServer(await connect(starting), participant)
    const durability = durabilityOf(settings, allowed)
    const capacity = capacityOf(settings, configured)
    const branches = new Pool({ connectionString, applicationName, sessionSettings: branchSettings }, capacity)
    const finishing = new Pool(phaseTwo, finishConnections)
    const looking = new Pool(phaseTwo, lookConnections)
    this.#running = { participant, capacity, branches, finishing, looking, owners: new Map(), asking: false }
    return { durability, capacity }
  }

  async open({ lockTimeoutMs, readOnly = false, id }: OpenOptions): Promise<OpenBranch<PostgresSession>> {
    const running = this.#started()
    const { participant, branches, looking, capacity, owners } = running
    if (!branches.hasRoom) throw new ResourceRefusal(full(capacity))
    const connection = await branches.acquire().catch((cause: unknown) => {
      throw isStoreError(cause) ? new ResourceRefusal(reasonOf(cause), { cause }) : cause
    })
    if (id !== undefined) owners.set(connection.pid, id)
    return new PostgresBranch(connection, {
      participant,
      lockTimeoutMs: Math.max(1, Math.ceil(lockTimeoutMs)), // 0 would wait for ever
      readOnly,
      isPrepared: (id) =>
        looking.use(controlTimeoutMs, (looker) => isPrepared(looker, participant, id)).catch(() => false),
      isExpired: (id) => looking.use(controlTimeoutMs, (looker) => isExpired(looker, participant, id)),
      terminate: (victim) =>
        looking.use(controlTimeoutMs, (looker) => terminate(looker, victim)).catch(() => undefined),
      owners,
      holdersFor: (pid) => askHolders(running, pid),
      release: (leased) => {
        owners.delete(leased.pid)
        branches.release(leased)
      },
    })
  }

  async finish(key: BranchKey, ending: Ending): Promise<Finish> {
    const { participant, finishing } = this.#started()
    const work = (connection: Connection): Promise<Finish> => finish(connection, participant, key, ending)
    return busyUnlessHeard(finishing.use(controlTimeoutMs, work))
  }

  async look(id: TransactionId): Promise<Row> {
    const { participant, looking } = this.#started()
    return looking.use(controlTimeoutMs, (connection) => lookUp(connection, participant, id))
  }

  async inDoubt(minAgeMs: number, limit: number): Promise<readonly HeldRow[]> {
    const { participant, looking } = this.#started()
    return looking.use(controlTimeoutMs, (connection) => listInDoubt(connection, participant, { minAgeMs, limit }))
  }

  async tombstone(id: TransactionId, digest: Digest): Promise<'done' | 'exists' | 'busy' | 'expired'> {
    const { participant, looking } = this.#started()
    return busyUnlessHeard(
      looking.use(controlTimeoutMs, (connection) => tombstone(connection, participant, id, digest)),
    )
  }

  async raiseFloor(group: GroupId, floor: Epoch): Promise<'raised' | 'stood'> {
    return this.#collecting((connection, participant) => raiseFloor(connection, participant, group, floor))
  }

  async floors(): Promise<ReadonlyMap<GroupId, Epoch>> {
    return this.#collecting(readFloors)
  }

  async collect(group: GroupId, limit: number, after?: TransactionId): Promise<Collected> {
    return this.#collecting((connection, participant) => collect(connection, participant, { group, limit, after }))
  }

  async forget(ids: readonly TransactionId[]): Promise<void> {
    await this.#collecting((connection, participant) => connection.query(forgetRows(participant, ids)))
  }

  explain(error: unknown): Reason | undefined {
    return explain(error)
  }

  async stop(): Promise<void> {
    if (!this.#running) return
    const { branches, finishing, looking } = this.#running
    await Promise.all([branches.stop(), finishing.stop(), looking.stop()])
  }

  /** Works below the floor on one connection of phase two: the others are enough for ending branches meanwhile. */
  #collecting<T>(work: (connection: Connection, participant: ParticipantName) => Promise<T>): Promise<T> {
    const { participant, finishing } = this.#started()
    return finishing.use(controlTimeoutMs, (connection) => work(connection, participant))
  }

  #started(): Running {
    if (!this.#running) throw new Error('broken invariant: a resource is started before it is used')
    return this.#running
  }
}

async function connect(settings: Parameters<typeof Connection.open>[0]): Promise<Connection> {
  try {
    return await Connection.open(settings)
  } catch (error) {
    if (sqlState(error) === sqlStates.recoveryInProgress) {
      throw unfit(
        'It is a standby (in recovery), expected the primary. Connect to the primary, or promote this one.',
        error,
      )
    }
    throw unfit(
      `It could not be reached: ${error instanceof Error ? error.message : String(error)}. Check that it runs and that connectionString names it.`,
      error,
    )
  }
}

async function prepareServer(connection: Connection, participant: ParticipantName): Promise<ServerSettings> {
  try {
    await migrate(connection)
    return await readSettings(connection, participant)
  } catch (error) {
    if (error instanceof ResourceUnfitError || !isStoreError(error)) throw error
    if (sqlState(error) !== sqlStates.insufficientPrivilege) throw unfit(`${error.message}.`, error)
    throw unfit(
      `The role ${connection.role} may not make or use the schema verdict (${error.message}). Run CREATE SCHEMA verdict AUTHORIZATION ${connection.role} as an administrator.`,
      error,
    )
  } finally {
    await connection.end()
  }
}

async function isPrepared(connection: Connection, participant: ParticipantName, id: TransactionId): Promise<boolean> {
  return (await findPrepared(connection, participant, id)) !== undefined
}

/** Ends the session of an open branch at the server, and its locks: a closed socket is not noticed while a statement runs. */
async function terminate(connection: Connection, victim: Connection): Promise<void> {
  await connection.query({ text: 'select pg_terminate_backend($1, $2)', values: [victim.pid, terminateTimeoutMs] })
}

/** Who is in the way of a session; nobody waits long for the answer, which only serves an explanation. */
async function askHolders(running: Running, pid: number): Promise<readonly LockHolder[]> {
  const { looking, participant, owners } = running
  if (running.asking || !looking.hasRoom) return []
  running.asking = true
  try {
    return await looking.use(askTimeoutMs, (looker) => holdersFor(looker, participant, pid, owners))
  } catch (error) {
    if (!isStoreError(error)) throw error
    return []
  } finally {
    running.asking = false
  }
}

async function busyUnlessHeard<T>(answer: Promise<T>): Promise<T | 'busy'> {
  try {
    return await answer
  } catch (error) {
    if (isStoreError(error)) return 'busy'
    throw error
  }
}

function full(capacity: number): Reason {
  return reason(reasonCodes.overloaded, `All ${capacity} branches of this instance are open.`, true)
}
