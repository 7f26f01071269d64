import { connect, type NatsConnection } from '@nats-io/transport-node'
import pg from 'pg'
import { type BankName, banks } from './bank.ts'

/** Connections of a bank's floor: as many branches as are ever in flight, and some for the second phase alone. */
const branchConnections = 64
const finishConnections = 16
/** Second phases that may lag behind the answers: with those in flight they stay below the servers' prepared transactions. */
const maxLagging = 128

interface Prepare {
  readonly gid: string
  readonly account: number
  readonly cents: number
}

/**
 * The floor: a bank whose prepared transactions are driven by hand, with no journal, no recovery and no log. One round trip
 * prepares, one commits; messages are published with one inbox for all answers.
 */
export async function serveFloor(bank: BankName, databaseUrl: string, natsUrl: string): Promise<() => Promise<void>> {
  const nats = await connect({ servers: natsUrl, noAsyncTraces: true })
  const branches = new pg.Pool({ connectionString: databaseUrl, max: branchConnections })
  const finishing = new pg.Pool({ connectionString: databaseUrl, max: finishConnections })
  nats.subscribe(`floor.${bank}.prepare`, {
    callback: (_error, message) => {
      const { gid, account, cents } = message.json<Prepare>()
      branches
        .query(
          `begin; update account set cents = cents + ${Number(cents)} where id = ${Number(account)}; prepare transaction '${gid}'`,
        )
        .then(
          () => message.respond(`${gid} prepared`),
          () => message.respond(`${gid} refused`),
        )
    },
  })
  nats.subscribe(`floor.${bank}.finish`, {
    callback: (_error, message) => {
      const [gid, ending] = message.string().split(' ')
      finishing.query(`${ending} prepared '${gid}'`).then(
        () => message.respond(`${gid} done`),
        () => message.respond(`${gid} done`),
      )
    },
  })
  await nats.flush()
  return async () => {
    await nats.drain()
    await Promise.all([branches.end(), finishing.end()])
  }
}

/** Drives transfers by hand: prepare at both, answer after both votes, commit behind. */
export class FloorClient {
  readonly #nats: NatsConnection
  readonly #inbox = `floor.answers.${process.pid}`
  readonly #waiting = new Map<string, (answer: string) => void>()
  #count = 0
  #lagging = 0

  private constructor(nats: NatsConnection) {
    this.#nats = nats
    nats.subscribe(`${this.#inbox}.*`, {
      callback: (_error, message) => {
        const [gid, answer] = message.string().split(' ')
        const key = `${message.subject.split('.').at(-1)} ${gid}`
        this.#waiting.get(key)?.(answer ?? '')
        this.#waiting.delete(key)
      },
    })
  }

  static async connect(natsUrl: string): Promise<FloorClient> {
    return new FloorClient(await connect({ servers: natsUrl, noAsyncTraces: true }))
  }

  async transfer(from: number, to: number, cents: number): Promise<boolean> {
    while (this.#lagging >= maxLagging) await new Promise((resolve) => setImmediate(resolve))
    this.#count += 1
    const gid = `floor_${process.pid}_${this.#count}`
    const [debit, credit] = [
      { gid, account: from, cents: -cents },
      { gid, account: to, cents },
    ]
    const votes = await Promise.all([
      this.#ask('bank-a', 'prepare', gid, debit),
      this.#ask('bank-b', 'prepare', gid, credit),
    ])
    const committed = votes.every((vote) => vote === 'prepared')
    this.#finishBehind(gid, committed ? 'commit' : 'rollback')
    return committed
  }

  async close(): Promise<void> {
    while (this.#lagging > 0) await new Promise((resolve) => setImmediate(resolve))
    await this.#nats.drain()
  }

  #finishBehind(gid: string, ending: 'commit' | 'rollback'): void {
    this.#lagging += 1
    Promise.all(banks.map((bank) => this.#ask(bank, 'finish', gid, `${gid} ${ending}`))).then(
      () => {
        this.#lagging -= 1
      },
      () => {
        this.#lagging -= 1
      },
    )
  }

  #ask(bank: BankName, verb: 'prepare' | 'finish', gid: string, body: Prepare | string): Promise<string> {
    return new Promise((resolve) => {
      const channel = `${bank}-${verb}`
      this.#waiting.set(`${channel} ${gid}`, resolve)
      const payload = typeof body === 'string' ? body : JSON.stringify(body)
      this.#nats.publish(`floor.${bank}.${verb}`, payload, { reply: `${this.#inbox}.${channel}` })
    })
  }
}
