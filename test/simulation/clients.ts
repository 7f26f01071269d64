import {
  CommittedWithHazards,
  connect,
  type Doubt,
  InDoubt,
  type Transaction,
  TransactionAborted,
  type Verdict,
} from '@verdict/client'
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
  /** Whether it was told that not every participant could honour the commit. */
  readonly hazards: boolean
  /** When the run began that was told, and when it was. */
  readonly startedAtMs: number
  readonly atMs: number
  /** Sum over all banks that the transaction read under locks; only for audits. */
  readonly total?: number
}

export interface Plan {
  readonly transactions: number
  /** Share of one-shots among all. */
  readonly oneShots: number
  /** Share of transfers inside one bank, which that bank decides alone. */
  readonly lone: number
  /** Share of the other transfers that go from one bank to all others. */
  readonly wide: number
  /** Share of debits that are made in two calls. */
  readonly split: number
  /** Share of one-shots that only read, or that do so at one time and write at another. */
  readonly glances: number
  /** Share of audits, which read every account under locks. */
  readonly audits: number
  /** Share of runs under an id that the client keeps and asks for again until it is told. */
  readonly kept: number
  /** How often a client runs what it or another one keeps, while that one may be at it too. */
  readonly overlapping: number
  /** Share of interactive transactions whose clients go on after a call that failed, as if it had not (rule R5). */
  readonly careless: number
  /** Share of one-shots whose participants run them one after another, and of transactions that lock what they read (rule R7). */
  readonly ordered: number
  readonly serializable: number
  /** How often a run under a kept id means another transfer than the runs before it: a mistake, and yet only one of them may happen. */
  readonly fickle: number
  /** Share of transactions whose clients wait until all is applied. */
  readonly applied: number
  readonly budgetMs: number
}

/** A transfer as the client means it: a kept id always runs the same one. */
interface Transfer {
  /** Amounts that add up to nothing. */
  readonly legs: readonly { readonly bank: string; readonly account: string; readonly amount: number }[]
  readonly oneShot: boolean
  /** Of a one-shot: its participants run it one after another. */
  readonly ordered: boolean
  readonly serializable: boolean
  readonly wait: 'decided' | 'applied'
}

/** Transfers under ids that their clients keep until they are told the outcome: a queue that all of them read. */
export type KeptTransfers = Map<TransactionId, Transfer>

type Run = () => Promise<{ readonly receipt: { readonly id: TransactionId; readonly path?: string } }>

/** A client process: it runs transactions one after another, and after a crash goes on with the ids that it kept. */
export class Client {
  readonly process: SimulatedProcess
  readonly told: Told[] = []
  /** Set when the client has run all its transactions and holds no id of which it does not know the outcome. */
  finished = false
  readonly #banks: readonly Bank[]
  readonly #plan: Plan
  readonly #simulation: Simulation
  readonly #kept: KeptTransfers
  #left: number

  constructor(simulation: Simulation, name: string, banks: readonly Bank[], plan: Plan, kept: KeptTransfers) {
    this.#simulation = simulation
    this.#kept = kept
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
      const others = [...this.#kept]
      if (others.length > 0 && world.random.chance(this.#plan.overlapping)) {
        await this.#insist(verdict, world, ...world.random.pick(others))
      } else await this.#runOne(verdict, world)
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
    this.#kept.set(id, transfer)
    await this.#insist(verdict, world, id, transfer)
  }

  /** Runs under a kept id until there is a definite answer: an outcome, or a refusal that another try would not change. */
  async #insist(verdict: Verdict, world: SimulatedWorld, id: TransactionId, transfer: Transfer): Promise<void> {
    while (!(await this.#listen(id, () => this.#run(verdict, world, transfer, id)))) {
      await new Promise<void>((resolve) => world.clock.after(200, resolve))
    }
    await world.disk.commit(new Map([[`kept/${id}`, undefined]]))
    this.#kept.delete(id)
  }

  #run(verdict: Verdict, world: SimulatedWorld, transfer: Transfer, id: TransactionId | undefined): ReturnType<Run> {
    const isFickle = id !== undefined && world.random.chance(this.#plan.fickle)
    const { legs, oneShot, ordered, serializable, wait } = isFickle ? this.#drawTransfer(world.random) : transfer
    const isolation = serializable ? ({ isolation: 'serializable' } as const) : {}
    const options = { budgetMs: this.#plan.budgetMs, wait, ...isolation }
    if (oneShot) {
      const calls = legs.map(({ bank, ...move }) => verdict.call<BankContract>(bank).move(move))
      return verdict.submit(calls, { ...options, ordered, ...(id === undefined ? {} : { id }) })
    }
    const isCareless = world.random.chance(this.#plan.careless)
    const work = async (tx: Transaction): Promise<void> => {
      for (const { bank, ...move } of legs) {
        const called = tx.on<BankContract>(bank).move(move)
        await (isCareless ? called.catch(() => {}) : called)
      }
      if (id === undefined && world.random.chance(0.05)) throw new Error('the client changed its mind')
    }
    return id === undefined ? verdict.transaction(work, options) : verdict.transaction(work, { ...options, id })
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
    if (!random.chance(this.#plan.kept)) {
      await this.#listenOrAsk(verdict, world, () => verdict.submit(calls, options))
      return
    }
    // Run again it may have something to write, and yet has come to one outcome.
    const id = verdict.newId()
    for (let runs = 0; runs < 2; runs += 1) {
      await this.#listen(id, () => verdict.submit(calls, { ...options, id }))
      await new Promise<void>((resolve) => world.clock.after(random.between(0, 500), resolve))
    }
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
        const found = await verdict.outcome(doubt, { budgetMs: 6_000 })
        const hasRead = found.outcome === 'committed' && found.receipt.path === 'read-only'
        this.#tell(doubt.id, hasRead ? 'read-only' : found.outcome)
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
    const startedAtMs = this.#simulation.nowMs
    try {
      const { receipt } = await run()
      const outcome = receipt.path === 'read-only' ? 'read-only' : 'committed'
      this.#tell(receipt.id, outcome, { startedAtMs, ...(total === undefined ? {} : { total: total() }) })
      return true
    } catch (error) {
      if (error instanceof CommittedWithHazards) {
        this.#tell(error.id, 'committed', { startedAtMs, hazards: true })
        return true
      }
      // What has expired nobody can tell any more.
      if (error instanceof InDoubt) return error.expired
      if (!(error instanceof TransactionAborted)) throw error
      // A kept id of which nothing is recorded may be run again, and is, when that can help.
      if (kept !== undefined && !error.recorded && error.retryable) return false
      this.#tell(error.id, error.recorded ? 'aborted' : 'refused', { startedAtMs })
      return true
    }
  }

  #tell(id: TransactionId, outcome: Told['outcome'], more: Partial<Told> = {}): void {
    const atMs = this.#simulation.nowMs
    this.told.push({ client: this.process.name, id, outcome, hazards: false, startedAtMs: atMs, atMs, ...more })
  }

  #drawTransfer(random: SeededRandom): Transfer {
    const from = random.pick(this.#banks)
    const others = this.#banks.filter((bank) => bank !== from)
    const to = random.chance(this.#plan.lone) ? [from] : random.chance(this.#plan.wide) ? others : [random.pick(others)]
    const amount = random.integer(1, 60)
    const credits = to.map((bank, place) => ({
      bank: bank.name,
      account: random.pick(accounts),
      // Whatever cannot be shared evenly goes to the first one.
      amount: Math.floor(amount / to.length) + (place === 0 ? amount % to.length : 0),
    }))
    const first = random.chance(this.#plan.split) ? random.integer(1, amount) : amount
    const debits = [first, amount - first]
      .filter((part) => part > 0)
      .map((part) => ({ bank: from.name, account: random.pick(accounts), amount: -part }))
    // One part before the credits, the other one after them: a branch that was opened anew in between lacks the first.
    return {
      legs: [...debits.slice(0, 1), ...credits, ...debits.slice(1)],
      oneShot: random.chance(this.#plan.oneShots),
      ordered: random.chance(this.#plan.ordered),
      serializable: random.chance(this.#plan.serializable),
      wait: random.chance(this.#plan.applied) ? 'applied' : 'decided',
    }
  }
}
