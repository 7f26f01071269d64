import { randomBytes } from 'node:crypto'
import type { BranchNote, OpenBranch, Resource, ResourceFacts } from '@verdict/participant'
import {
  type Digest,
  type Epoch,
  groupName,
  makeId,
  makeIncarnation,
  makeToken,
  ownerName,
  participantName,
  type Token,
} from '@verdict/protocol'
import pg from 'pg'
import { type PostgresServer, type PostgresOptions as ServerOptions, startPostgres } from '../../../infra/postgres.ts'
import { type PostgresOptions, type PostgresSession, postgres } from '../src/resource.ts'

export const payments = participantName('payments')
const lockTimeoutMs = 300

/** A server of a test's own, the table that its branches change, and instances of the resource on it. */
export class Place implements AsyncDisposable {
  readonly server: PostgresServer
  readonly #started: Resource<PostgresSession>[] = []

  private constructor(server: PostgresServer) {
    this.server = server
  }

  static async make(options: ServerOptions = {}): Promise<Place> {
    const place = new Place(await startPostgres(options))
    await place.sql('create table account (id text primary key, cents integer not null check (cents >= 0))')
    await place.sql("insert into account select 'a' || n, 100 from generate_series(1, 100) n")
    return place
  }

  /** Runs statements outside of all branches, each call in a session of its own. */
  async sql<Row extends object>(text: string, url: string = this.server.url): Promise<Row[]> {
    const client = new pg.Client({ connectionString: url })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }

  async cents(id: string): Promise<number | undefined> {
    return (await this.sql<{ cents: number }>(`select cents from account where id = '${id}'`))[0]?.cents
  }

  /** Starts one more instance. */
  async start(options: PostgresOptions = {}, participant = payments): Promise<Resource<PostgresSession>> {
    return (await this.startWithFacts(options, participant)).resource
  }

  async startWithFacts(
    options: PostgresOptions = {},
    participant = payments,
  ): Promise<{ readonly resource: Resource<PostgresSession>; readonly facts: ResourceFacts }> {
    const resource = postgres({ connectionString: this.server.url, ...options })
    this.#started.push(resource)
    return { resource, facts: await resource.start({ participant }) }
  }

  /** Opens a branch that has taken one cent from an account. */
  async debited(resource: Resource<PostgresSession>, id: string): Promise<OpenBranch<PostgresSession>> {
    const branch = await resource.open({ lockTimeoutMs })
    await debit(branch, id)
    return branch
  }

  /** Prepares a branch that has taken one cent from an account. */
  async prepared(resource: Resource<PostgresSession>, id: string, note: BranchNote = makeNote()): Promise<BranchNote> {
    const result = await (await this.debited(resource, id)).prepare(note)
    if (result.kind !== 'prepared') throw new Error(`the branch was not prepared: ${JSON.stringify(result)}`)
    return note
  }

  async gids(): Promise<readonly string[]> {
    return (await this.sql<{ gid: string }>('select gid from pg_prepared_xacts order by prepared')).map(
      ({ gid }) => gid,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#started.map((resource) => resource.stop()))
    await this.server.stop()
  }
}

export async function debit({ session }: OpenBranch<PostgresSession>, id: string): Promise<number | null> {
  const { rowCount } = await session.sql.query('update account set cents = cents - 1 where id = $1', [id])
  return rowCount
}

export async function opened(resource: Resource<PostgresSession>): Promise<OpenBranch<PostgresSession>> {
  return resource.open({ lockTimeoutMs })
}

/** A note with fresh names; what is given replaces them. */
export function makeNote(given: Partial<BranchNote> = {}): BranchNote {
  const [group, owner] = [groupName('main'), ownerName('checkout')]
  const incarnation = makeIncarnation(Buffer.alloc(8, 7))
  const parts = { group, incarnation, epoch: 7 as Epoch, owner, mark: 'once' } as const
  return {
    id: makeId(parts, randomBytes(12)),
    digest: makeToken<Token>(randomBytes(12)).padEnd(26, 'a') as string as Digest,
    token: makeToken<Token>(randomBytes(12)),
    ...given,
  }
}

/** Waits until `check` says so. */
export async function until(check: () => Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`waited too long until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
