import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { trace } from '@opentelemetry/api'
import { connect, type Verdict } from '@verdict/client'
import {
  type Coordinator,
  type CoordinatorSettings,
  groupIdOf,
  makeManifest,
  startCoordinator,
} from '@verdict/coordinator'
import { lmdb } from '@verdict/lmdb'
import { defineParticipant, type ParticipantSettings, refuse, type Serving } from '@verdict/participant'
import { postgres } from '@verdict/postgres'
import {
  type Abort,
  digestOf,
  encodePacket,
  groupOf,
  type InboxToken,
  type InstanceId,
  makeToken,
  namespace,
  ownerName,
  participantName,
  reasonCodes,
  sealList,
  subjects,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import type { RaftSettings, ReplicaId } from '@verdict/raft'
import { systemClock, systemRandom, type World } from '@verdict/runtime'
import pg from 'pg'
import { z } from 'zod'
import { memoryStore } from '../../packages/testing/src/memory-store.ts'
import { until } from '../end-to-end/until.ts'
import { LossyBus } from './lossy-bus.ts'

const owner = 'checkout'
const theReplica = 'n1' as ReplicaId
/** Longer than any test. */
export const longMs = 60_000
const under = subjects(namespace())

export const participants: readonly string[] = ['inventory', 'payments']

const schema = `
  create table if not exists account (id text primary key, cents bigint not null);
  insert into account values ('ada', 1000) on conflict (id) do update set cents = 1000;
`

function defineInventory(path: string) {
  return defineParticipant({
    name: 'inventory',
    resource: lmdb({ path }),
    operations: {
      reserve: {
        input: z.object({ sku: z.string() }),
        async run({ sku }, { store }) {
          await store.put(`reserved/${sku}`, true)
        },
      },
      reserved: {
        input: z.object({ sku: z.string() }),
        run: async ({ sku }, { store }) => (await store.get(`reserved/${sku}`)) === true,
      },
    },
  })
}

function definePayments(connectionString: string) {
  return defineParticipant({
    name: 'payments',
    resource: postgres({ connectionString }),
    operations: {
      charge: {
        input: z.object({ cents: z.number() }),
        async run({ cents }, { sql }) {
          const { rowCount } = await sql.query(
            "update account set cents = cents - $1 where id = 'ada' and cents >= $1",
            [cents],
          )
          if (rowCount === 0) throw refuse('insufficient-funds', `Ada cannot pay ${cents} cents.`)
        },
      },
      balance: {
        input: z.object({}),
        run: async (_, { sql }) => (await sql.query<{ cents: string }>('select cents from account')).rows[0]?.cents,
      },
      // With a span of its own, as a service may make them.
      audit: {
        input: z.object({}),
        run: (_, { sql }) =>
          trace.getTracer('payments').startActiveSpan('read the books', async (span) => {
            await sql.query('select cents from account')
            span.end()
          }),
      },
      fail: {
        input: z.object({}),
        run: () => Promise.reject(new TypeError('The till is broken.')),
      },
      report: {
        input: z.object({}),
        run: async () => 'page '.repeat(20_000),
      },
    },
  })
}

export type Inventory = ReturnType<typeof defineInventory>
export type Payments = ReturnType<typeof definePayments>

export interface ShopSettings {
  readonly payments?: Partial<ParticipantSettings>
  readonly coordinator?: Partial<CoordinatorSettings>
  readonly raft?: Partial<RaftSettings>
}

// One replica is its own majority: nobody has to be waited for before it leads.
const raft = { heartbeatMs: 5, electionTimeoutMinMs: 10, electionTimeoutMaxMs: 20 }

/** The real thing in one process: a coordinator, a client, an LMDB store and a database of PostgreSQL. Only the bus may lose things. */
export class Shop implements AsyncDisposable {
  readonly bus = new LossyBus()
  readonly #world: World = { clock: systemClock, random: systemRandom, bus: this.bus }
  readonly #manifest = makeManifest('main', [theReplica], systemRandom)
  /** It outlives the coordinators that are started on it. */
  readonly #store = memoryStore({ group: groupIdOf(this.#manifest), replica: theReplica, members: [theReplica] })
  readonly #folder = mkdtempSync(join(tmpdir(), 'verdict-telemetry-'))
  readonly #url: string
  readonly #settings: ShopSettings
  #coordinator: Coordinator | undefined
  #servings: readonly Serving[] = []
  #client: Verdict | undefined

  private constructor(url: string, settings: ShopSettings) {
    this.#url = url
    this.#settings = settings
  }

  /** @param url of a PostgreSQL server, whose data are made anew. */
  static async open(url: string, settings: ShopSettings = {}): Promise<Shop> {
    const shop = new Shop(url, settings)
    await shop.database((client) => client.query(schema))
    await shop.startCoordinator()
    await shop.startParticipants()
    shop.#client = await connect({ world: shop.#world, owner })
    return shop
  }

  get client(): Verdict {
    if (this.#client === undefined) throw new Error('The shop is not open.')
    return this.#client
  }

  async startCoordinator(): Promise<void> {
    this.#coordinator = await startCoordinator({
      manifest: this.#manifest,
      replica: theReplica,
      store: this.#store,
      world: this.#world,
      version: 'test',
      raft: { ...raft, ...this.#settings.raft },
      // Nothing is sent again on a busy machine, unless that is what happens.
      settings: { resendMs: longMs, maxResendMs: longMs, ...this.#settings.coordinator },
    })
  }

  async stopCoordinator(): Promise<void> {
    await this.#coordinator?.stop()
  }

  async startParticipants(): Promise<void> {
    const world = this.#world
    this.#servings = await Promise.all([
      defineInventory(this.#folder).serve({ world }),
      definePayments(this.#url).serve({ world, settings: this.#settings.payments ?? {} }),
    ])
  }

  async stopParticipants(): Promise<void> {
    await Promise.all(this.#servings.map((serving) => serving.stop()))
  }

  /** Asks for the abort of a transaction with one branch, which nobody knows. */
  abort(id: TransactionId): void {
    const own = makeToken(systemRandom.bytes(12))
    const participant = participantName('payments')
    const list = sealList([{ kind: 'called', participant, instance: own as InstanceId, token: own as Token, calls: 1 }])
    const reason = { code: reasonCodes.clientAborted, message: 'It is not wanted any more.', retryable: false }
    const message: Abort = { type: 'abort', id, list, digest: digestOf(id, list), reason }
    const replyTo = under.inbox(ownerName(owner), own as InboxToken)
    this.bus.publish(under.group(groupOf(id), ownerName(owner)), encodePacket({ request: 1, message }), { replyTo })
  }

  /** Does something in the database of payments, behind Verdict's back. */
  async database(work: (client: pg.Client) => Promise<unknown>): Promise<void> {
    const client = new pg.Client({ connectionString: this.#url })
    await client.connect()
    await work(client)
    await client.end()
  }

  /** Waits until every branch of a transaction has acknowledged its outcome. */
  async settled(id: TransactionId): Promise<void> {
    await until(() => this.#coordinator?.record(id)?.settled)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close()
    await this.stopParticipants()
    await this.stopCoordinator()
    await this.bus.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
