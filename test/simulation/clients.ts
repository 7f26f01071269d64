import { connect, InDoubt, TransactionAborted, type Verdict } from '@verdict/client'
import type { TransactionId } from '@verdict/protocol'
import type { SeededRandom, SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { accounts, type Bank, type BankContract } from './bank.ts'

const budgetMs = 4_000
const textEncoder = new TextEncoder()

/** What one client was told of one id, at some time. */
export interface Told {
  readonly client: string
  readonly id: TransactionId
  readonly outcome: 'committed' | 'aborted' | 'read-only'
  /** Sum over all banks that the transaction read under locks; only for audits. */
  readonly total?: number
}

export interface Plan {
  readonly transactions: number
  /** Share of one-shots among all. */
  readonly oneShots: number
  /** Share of audits, which read every account under locks. */
  readonly audits: number
  /** Share of runs under an id that the client keeps and asks for again until it is told. */
  readonly kept: number
}

/** A client process: it runs transactions one after another, and after a crash goes on with the ids that it kept. */
export class Client {
  readonly process: SimulatedProcess
  readonly told: Told[] = []
  /** Set when the client has run all its transactions and holds no id of which it does not know the outcome. */
  finished = false
  readonly #banks: readonly Bank[]
  readonly #plan: Plan
  #left: number

  constructor(simulation: Simulation, name: string, banks: readonly Bank[], plan: Plan) {
    this.#banks = banks
    this.#plan = plan
    this.#left = plan.transactions
    this.process = simulation.process(name, (world) => this.#live(world))
  }

  async #live(world: SimulatedWorld): Promise<void> {
    const verdict = await connect({ world, owner: 'teller', group: 'main' })
    for (const [key] of world.disk.list('kept/'))
      await this.#insist(verdict, world, key.slice('kept/'.length) as TransactionId)
    while (this.#left > 0) {
      this.#left -= 1
      await this.#runOne(verdict, world)
    }
    this.finished = true
  }

  async #runOne(verdict: Verdict, world: SimulatedWorld): Promise<void> {
    const { random } = world
    if (random.chance(this.#plan.audits)) return await this.#audit(verdict, world)
    if (!random.chance(this.#plan.kept)) return await this.#attempt(verdict, world, undefined)
    const id = verdict.newId()
    // Kept before it is used: whoever runs a kept id twice must be told one outcome.
    await world.disk.commit(new Map([[`kept/${id}`, textEncoder.encode(id)]]))
    await this.#insist(verdict, world, id)
  }

  /** Runs under a kept id until there is a definite answer. */
  async #insist(verdict: Verdict, world: SimulatedWorld, id: TransactionId): Promise<void> {
    const before = this.told.length
    while (this.told.length === before) {
      await this.#attempt(verdict, world, id)
      if (this.told.length === before) await new Promise<void>((resolve) => world.clock.after(200, resolve))
    }
    await world.disk.commit(new Map([[`kept/${id}`, undefined]]))
  }

  async #attempt(verdict: Verdict, world: SimulatedWorld, id: TransactionId | undefined): Promise<void> {
    const { random } = world
    const [from, to] = twoOf(random, this.#banks)
    const amount = random.integer(1, 60)
    const options = { budgetMs, ...(id === undefined ? {} : { id }) }
    const debit = { account: random.pick(accounts), amount: -amount }
    const credit = { account: random.pick(accounts), amount }
    await this.#listen(id, async () => {
      if (random.chance(this.#plan.oneShots)) {
        const calls = [
          verdict.call<BankContract>(from.name).move(debit),
          verdict.call<BankContract>(to.name).move(credit),
        ] as const
        return await verdict.submit(calls, options)
      }
      return await verdict.transaction(async (tx) => {
        await tx.on<BankContract>(from.name).move(debit)
        await tx.on<BankContract>(to.name).move(credit)
        if (random.chance(0.05)) throw new Error('the client changed its mind')
      }, options)
    })
  }

  async #audit(verdict: Verdict, world: SimulatedWorld): Promise<void> {
    const order = world.random.chance(0.5) ? this.#banks : this.#banks.toReversed()
    let total = 0
    await this.#listen(
      undefined,
      () =>
        verdict.transaction(
          async (tx) => {
            total = 0
            for (const bank of order) total += await tx.on<BankContract>(bank.name).read({})
          },
          { budgetMs },
        ),
      () => total,
    )
  }

  async #listen(
    kept: TransactionId | undefined,
    run: () => Promise<{ readonly receipt: { readonly id: TransactionId; readonly path?: string } }>,
    total?: () => number,
  ): Promise<void> {
    const client = this.process.name
    try {
      const { receipt } = await run()
      const outcome = receipt.path === 'read-only' ? 'read-only' : 'committed'
      this.told.push({ client, id: receipt.id, outcome, ...(total === undefined ? {} : { total: total() }) })
    } catch (error) {
      if (error instanceof TransactionAborted) this.told.push({ client, id: kept ?? error.id, outcome: 'aborted' })
      else if (!(error instanceof InDoubt)) throw error
    }
  }
}

function twoOf(random: SeededRandom, banks: readonly Bank[]): [Bank, Bank] {
  const from = random.pick(banks)
  return [from, random.pick(banks.filter((bank) => bank !== from))]
}
