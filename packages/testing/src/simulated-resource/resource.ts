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
  type Row,
} from '@verdict/participant'
import type { Digest, Epoch, GroupId, Outcome, ParticipantName, Reason, TransactionId } from '@verdict/protocol'
import type { Clock } from '@verdict/runtime'
import type { Backend } from './backend.ts'
import { SimulatedBranch } from './branch.ts'
import type { Connection } from './connection.ts'
import type { SimulatedDatabase } from './database.ts'
import { explain, reasonOf } from './reason.ts'
import { ConnectionLostError, isSqlState, sqlStates } from './sql-error.ts'
import type { SimulatedSession } from './table.ts'
import type { BranchName, JournalRow, PreparedTransaction } from './tables.ts'

export interface SimulatedResourceOptions {
  /** Of the instance's process: answers of the database die with it. */
  readonly clock: Clock
  /** Names the process, unlike any other of this database, for `SimulatedDatabase.disconnect`. */
  readonly instance: string
  /** Branches that may be open at a time. Default 256. */
  readonly capacity?: number
  /** How long writing a journal row may wait for another one of the same id. Default 50. */
  readonly rowTimeoutMs?: number
}

type Buried = 'done' | 'exists' | 'busy' | 'expired'

const defaultCapacity = 256 // well below the server's prepared transactions, for three instances
const defaultRowTimeoutMs = 50 // some flushes of the database: whoever holds it longer is prepared or stuck

/** One instance's view of a simulated database. Several may share one database. */
export function simulatedResource(
  database: SimulatedDatabase,
  options: SimulatedResourceOptions,
): Resource<SimulatedSession> {
  return new SimulatedResource(database, options)
}

class SimulatedResource implements Resource<SimulatedSession> {
  readonly #database: SimulatedDatabase
  readonly #clock: Clock
  readonly #instance: string
  readonly #capacity: number
  readonly #rowTimeoutMs: number
  #participant: ParticipantName | undefined
  #open = 0

  constructor(database: SimulatedDatabase, options: SimulatedResourceOptions) {
    this.#database = database
    this.#clock = options.clock
    this.#instance = options.instance
    this.#capacity = options.capacity ?? defaultCapacity
    this.#rowTimeoutMs = options.rowTimeoutMs ?? defaultRowTimeoutMs
  }

  async start({ participant }: ResourceContext): Promise<ResourceFacts> {
    await this.#ask((connection) => connection.request((backend) => backend.history()))
    this.#participant = participant
    return { durability: 'full', capacity: this.#capacity }
  }

  async open({ lockTimeoutMs, readOnly = false, id }: OpenOptions): Promise<OpenBranch<SimulatedSession>> {
    const participant = this.#name()
    if (this.#open >= this.#capacity) throw new ResourceRefusal(noRoom(this.#capacity))
    this.#open += 1
    const connection = await this.#database.connect(this.#instance, this.#clock).catch((error: unknown) => {
      this.#open -= 1
      throw new ResourceRefusal(reasonOf(error), { cause: error })
    })
    const onEnd = (): void => {
      this.#open -= 1
    }
    try {
      await connection.request((backend) => backend.begin(lockTimeoutMs, readOnly, id))
    } catch (error) {
      onEnd()
      throw new ResourceRefusal(reasonOf(error), { cause: error })
    }
    return new SimulatedBranch(connection, participant, this.#rowTimeoutMs, onEnd)
  }

  async finish({ id, digest, token }: BranchKey, ending: Outcome | 'discarded'): Promise<'done' | 'absent' | 'busy'> {
    const name: BranchName = { participant: this.#name(), id, digest, token }
    return this.#ask(async (connection) => {
      await connection.request((backend) =>
        backend.endPrepared(name, ending === 'committed' ? 'commit-prepared' : 'rollback-prepared'),
      )
      if (ending !== 'aborted') return 'done' as const
      // Another branch of this id may have come in between; whoever asks again will find it.
      const buried = await this.#bury(connection, id, digest)
      return buried === 'done' || buried === 'expired' ? 'done' : 'busy'
    }).catch((error: unknown) => {
      if (isSqlState(error, sqlStates.undefinedPrepared)) return 'absent'
      if (isSqlState(error, sqlStates.preparedBusy) || error instanceof ConnectionLostError) return 'busy'
      throw error
    })
  }

  /** Prepared names, then the row, then the names again: a branch that ends in between is seen in one of them. */
  async look(id: TransactionId): Promise<Row> {
    return this.#ask(async (connection) => {
      const before = await this.#preparedOf(connection, id)
      const row = before ? undefined : await connection.request((backend) => backend.readRow(this.#name(), id))
      const prepared = before ?? (row ? undefined : await this.#preparedOf(connection, id))
      if (!prepared && !row) return { state: 'nothing' }
      const history = await connection.request(flushed)
      return prepared ? preparedRow(prepared, history) : endedRow(row)
    })
  }

  async inDoubt(minAgeMs: number, limit: number): Promise<readonly HeldRow[]> {
    return this.#ask(async (connection) => {
      const { all, history } = await connection.request((backend) => ({
        all: backend.listPrepared(this.#name(), minAgeMs),
        history: backend.history(),
      }))
      return all.slice(0, limit).map((prepared) => heldRow(prepared, history))
    })
  }

  async tombstone(id: TransactionId, digest: Digest): Promise<Buried> {
    return this.#ask((connection) => this.#bury(connection, id, digest)).catch((error: unknown) => {
      if (error instanceof ConnectionLostError) return 'busy'
      throw error
    })
  }

  async raiseFloor(group: GroupId, floor: Epoch): Promise<'raised' | 'stood'> {
    const raise = (backend: Backend): Promise<boolean> => backend.raiseFloor(this.#name(), group, floor)
    return (await this.#ask((connection) => connection.request(raise))) ? 'raised' : 'stood'
  }

  async floors(): Promise<ReadonlyMap<GroupId, Epoch>> {
    return this.#ask((connection) => connection.request((backend) => backend.floors(this.#name())))
  }

  async collect(group: GroupId, limit: number, after?: TransactionId): Promise<Collected> {
    const collect = (backend: Backend): Promise<Collected> => backend.collect(this.#name(), group, limit, after)
    return this.#ask((connection) => connection.request(collect))
  }

  async forget(ids: readonly TransactionId[]): Promise<void> {
    return this.#ask((connection) => connection.request((backend) => backend.forget(this.#name(), ids)))
  }

  explain(error: unknown): Reason | undefined {
    return explain(error)
  }

  async stop(): Promise<void> {
    this.#database.disconnect(this.#instance)
  }

  async #bury(connection: Connection, id: TransactionId, digest: Digest): Promise<Buried> {
    const row: JournalRow = { participant: this.#name(), id, digest, state: 'aborted' }
    try {
      await connection.request((backend) => backend.begin(this.#rowTimeoutMs))
      await connection.request((backend) => backend.insertRow(row, this.#rowTimeoutMs))
      if (await connection.request((backend) => backend.isExpired(this.#name(), id))) {
        await connection.request((backend) => backend.rollback())
        return 'expired'
      }
      await connection.request((backend) => backend.commit())
      return 'done'
    } catch (error) {
      await connection.request((backend) => backend.rollback())
      if (isSqlState(error, sqlStates.uniqueViolation)) return 'exists'
      if (isSqlState(error, sqlStates.lockNotAvailable)) {
        return (await this.#preparedOf(connection, id)) ? 'exists' : 'busy'
      }
      if (isSqlState(error, sqlStates.serializationFailure)) return 'busy'
      throw error
    }
  }

  async #preparedOf(connection: Connection, id: TransactionId): Promise<PreparedTransaction | undefined> {
    const all = await connection.request((backend) => backend.listPrepared(this.#name()))
    return all.find(({ name }) => name.id === id)
  }

  /** Runs one request or more on a connection that is not one of the branches': phase two never waits for them. */
  async #ask<T>(run: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.#database.connect(this.#instance, this.#clock)
    try {
      return await run(connection)
    } finally {
      connection.close()
    }
  }

  #name(): ParticipantName {
    if (!this.#participant) throw new Error('The resource was not started: await start() before anything else.')
    return this.#participant
  }
}

async function flushed(backend: Backend): Promise<number> {
  await backend.flush()
  return backend.history()
}

function heldRow({ name, trace, history }: PreparedTransaction, current: number): HeldRow {
  const { id, digest, token } = name
  return { id, digest, token, history: history === current ? 'same' : 'changed', ...(trace && { trace }) }
}

function preparedRow(prepared: PreparedTransaction, current: number): Row {
  const { digest, token, history } = heldRow(prepared, current)
  return { state: 'prepared', digest, token, history }
}

function endedRow(row: JournalRow | undefined): Row {
  if (!row) return { state: 'nothing' }
  const { state, digest, token, results, mode = 'logged' } = row
  if (state === 'aborted') return { state }
  if (!token) throw new Error(`broken invariant: the committed row of ${row.id} has no token`)
  return { state, mode, digest, token, ...(results && { results }) }
}

function noRoom(capacity: number): Reason {
  return {
    code: 'overloaded',
    message: `All ${capacity} branches that this instance may hold are in use. Try again.`,
    retryable: true,
  }
}
