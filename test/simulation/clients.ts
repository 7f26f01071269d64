import { connect, type Doubt, InDoubt, type Transaction, TransactionAborted, type Verdict } from '@verdict/client'
import type { TransactionId } from '@verdict/protocol'
import type { SeededRandom, SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { accounts, type Bank, type BankContract } from './bank.ts'

const textEncoder = new TextEncoder()
const textDecoder = new TextDecoder()

/** What one client was told of one id, at some time. */
export interface Told {
  readonly client: string
  readonly id: TransactionId
  /** `refused`: this run had no effect, and nothing about the id was recorded by it. */
  readonly outcome: 'committed' | 'aborted' | 'refused' | 'read-only'
  /** Sum over all banks that the transaction read under locks; only for audits. */
  readonly total?: number
}

export interface Plan {
  readonly transactions: number
  /** Share of one-shots among all. */
  readonly oneShots: number
  /** Share of transfers inside one bank, which that bank decides alone. */
  readonly lone: number
  /** Share of one-shots that only read, or that do so at one time and write at another. */
  readonly glances: number
  /** Share of audits, which read every account under locks. */
  readonly audits: number
  /** Share of runs under an id that the client keeps and asks for again until it is told. */
  readonly kept: number
  readonly budgetMs: number
}

/** A transfer as the client means it: a kept id always runs the same one. */
interface Transfer {
  readonly from: string
  readonly to: string
  readonly debited: string
  readonly credited: string
  readonly amount: number
  readonly oneShot: boolean
}

type Run = () => Promise<{ readonly receipt: { readonly id: TransactionId; readonly path?: string } }>

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
    for (const [key, value] of world.disk.list('kept/')) {
      const transfer = JSON.parse(textDecoder.decode(value)) as Transfer
      await this.#insist(verdict, world, key.slice('kept/'.length) as TransactionId, transfer)
    }
    while (this.#left > 0) {
      this.#left -= 1
      await this.#runOne(verdict, world)
    }
    this.finished = true
  }

  async #runOne(verdict: Verdict, world: SimulatedWorld): Promise<void> {
    const { random, disk } = world
    if (random.chance(this.#plan.audits)) return await this.#audit(verdict, world)
    if (random.chance(this.#plan.glances)) return await this.#glance(verdict, world)
    const transfer = this.#drawTransfer(random)
    if (!random.chance(this.#plan.kept)) {
      await this.#listenOrAsk(verdict, world, () => this.#run(verdict, world, transfer, undefined))
      return
    }
    const id = verdict.newId()
    // Kept before it is used: whoever runs a kept id twice must be told one outcome.
    await disk.commit(new Map([[`kept/${id}`, textEncoder.encode(JSON.stringify(transfer))]]))
    await this.#insist(verdict, world, id, transfer)
  }

  /** Runs under a kept id until there is a definite answer: an outcome, or a refusal that another try would not change. */
  async #insist(verdict: Verdict, world: SimulatedWorld, id: TransactionId, transfer: Transfer): Promise<void> {
    while (!(await this.#listen(id, () => this.#run(verdict, world, transfer, id)))) {
      await new Promise<void>((resolve) => world.clock.after(200, resolve))
    }
    await world.disk.commit(new Map([[`kept/${id}`, undefined]]))
  }

  #run(verdict: Verdict, world: SimulatedWorld, transfer: Transfer, id: TransactionId | undefined): ReturnType<Run> {
    const { from, to, debited, credited, amount, oneShot } = transfer
    const { budgetMs } = this.#plan
    const options = { budgetMs, ...(id === undefined ? {} : { id }) }
    const debit = { account: debited, amount: -amount }
    const credit = { account: credited, amount }
    if (oneShot) {
      const calls = [verdict.call<BankContract>(from).move(debit), verdict.call<BankContract>(to).move(credit)] as const
      return verdict.submit(calls, options)
    }
    const work = async (tx: Transaction): Promise<void> => {
      await tx.on<BankContract>(from).move(debit)
      await tx.on<BankContract>(to).move(credit)
      if (id === undefined && world.random.chance(0.05)) throw new Error('the client changed its mind')
    }
    return id === undefined ? verdict.transaction(work, { budgetMs }) : verdict.transaction(work, { budgetMs, id })
  }

  async #audit(verdict: Verdict, world: SimulatedWorld): Promise<void> {
    const order = world.random.chance(0.5) ? this.#banks : this.#banks.toReversed()
    let total = 0
    const work = async (tx: Transaction): Promise<void> => {
      total = 0
      for (const bank of order) total += await tx.on<BankContract>(bank.name).read({})
    }
    await this.#listen(
      undefined,
      () => verdict.transaction(work, { budgetMs: this.#plan.budgetMs }),
      () => total,
    )
  }

  /** One-shots that only read: some are declared to, others may write when they run again. */
  async #glance(verdict: Verdict, world: SimulatedWorld): Promise<void> {
    const { random } = world
    const options = { budgetMs: this.#plan.budgetMs }
    const banks = random.chance(0.5) ? [random.pick(this.#banks)] : this.#banks
    const calls = random.chance(0.5)
      ? banks.map(({ name }) => verdict.call<BankContract>(name).sum({}))
      : banks.map(({ name }) =>
          verdict.call<BankContract>(name).level({ rich: random.pick(accounts), poor: random.pick(accounts) }),
        )
    await this.#listenOrAsk(verdict, world, () => verdict.submit(calls, options))
  }

  /** As `#listen`, and what a lone transaction in doubt came to is asked for until it is told. */
  async #listenOrAsk(verdict: Verdict, world: SimulatedWorld, run: Run): Promise<void> {
    let doubt: Doubt | undefined
    const listening = async (): ReturnType<Run> => {
      try {
        return await run()
      } catch (error) {
        if (error instanceof InDoubt) doubt = error.doubt
        throw error
      }
    }
    if (await this.#listen(undefined, listening)) return
    while (doubt?.lone !== undefined) {
      try {
        const { outcome } = await verdict.outcome(doubt, { budgetMs: 6_000 })
        this.told.push({ client: this.process.name, id: doubt.id, outcome })
        return
      } catch (error) {
        if (!(error instanceof InDoubt)) throw error
        // What has expired nobody can tell any more.
        if (error.expired) return
        await new Promise<void>((resolve) => world.clock.after(200, resolve))
      }
    }
  }

  /** Notes what the client is told; false when asking again can tell more. */
  async #listen(kept: TransactionId | undefined, run: Run, total?: () => number): Promise<boolean> {
    const client = this.process.name
    try {
      const { receipt } = await run()
      const outcome = receipt.path === 'read-only' ? 'read-only' : 'committed'
      this.told.push({ client, id: receipt.id, outcome, ...(total === undefined ? {} : { total: total() }) })
      return true
    } catch (error) {
      // What has expired nobody can tell any more.
      if (error instanceof InDoubt) return error.expired
      if (!(error instanceof TransactionAborted)) throw error
      // A kept id of which nothing is recorded may be run again, and is, when that can help.
      if (kept !== undefined && !error.recorded && error.retryable) return false
      this.told.push({ client, id: error.id, outcome: error.recorded ? 'aborted' : 'refused' })
      return true
    }
  }

  #drawTransfer(random: SeededRandom): Transfer {
    const from = random.pick(this.#banks)
    const to = random.chance(this.#plan.lone) ? from : random.pick(this.#banks.filter((bank) => bank !== from))
    return {
      from: from.name,
      to: to.name,
      debited: random.pick(accounts),
      credited: random.pick(accounts),
      amount: random.integer(1, 60),
      oneShot: random.chance(this.#plan.oneShots),
    }
  }
}
