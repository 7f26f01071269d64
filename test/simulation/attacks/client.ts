import { CommittedWithHazards, connect, InDoubt, TransactionAborted, type Verdict } from '@verdict/client'
import type { TransactionId } from '@verdict/protocol'
import type { SimulatedProcess, Simulation } from '@verdict/runtime/simulated'
import type { ServiceContract } from './service.ts'

/** A connected client that a script may kill. */
export class Client {
  readonly process: SimulatedProcess
  readonly owner: string
  #verdict: Verdict | undefined

  constructor(simulation: Simulation, name: string, owner: string) {
    this.owner = owner
    this.process = simulation.process(name, async (world) => {
      this.#verdict = undefined
      this.#verdict = await connect({ world, owner, group: 'main' })
    })
  }

  get connected(): boolean {
    return this.#verdict !== undefined
  }

  get verdict(): Verdict {
    if (this.#verdict === undefined) throw new Error(`${this.process.name} is not connected yet.`)
    return this.#verdict
  }

  /** Begins something; the script goes on meanwhile. */
  begin<T>(work: (verdict: Verdict) => Promise<T>): Run<T> {
    return new Run(work(this.verdict))
  }

  /** Begins to move an amount from one service to another, by calls. */
  transfer(from: string, to: string, options: TransferOptions = {}): Run<unknown> {
    const { key = 'a', amount = 10, ...rest } = options
    return this.begin((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<ServiceContract>(from).add({ key, amount: -amount })
        await tx.on<ServiceContract>(to).add({ key, amount })
      }, withId(rest)),
    )
  }

  /** Begins to change what one service has, by a call: the service decides it alone. */
  add(to: string, amount: number, options: TransferOptions = {}): Run<unknown> {
    const { key = 'a', ...rest } = options
    return this.begin((verdict) =>
      verdict.transaction((tx) => tx.on<ServiceContract>(to).add({ key, amount }), withId(rest)),
    )
  }

  /** Begins to change what one service has, in one shot. */
  addInOneShot(to: string, amount: number, options: TransferOptions = {}) {
    const { key = 'a', ...rest } = options
    return this.begin((verdict) => verdict.submit([verdict.call<ServiceContract>(to).add({ key, amount })], rest))
  }

  /** Begins to move an amount from one service to another, in one round trip. */
  submit(from: string, to: string, options: TransferOptions = {}) {
    const { key = 'a', amount = 10, ...rest } = options
    return this.begin((verdict) =>
      verdict.submit(
        [
          verdict.call<ServiceContract>(from).add({ key, amount: -amount }),
          verdict.call<ServiceContract>(to).add({ key, amount }),
        ],
        rest,
      ),
    )
  }
}

export interface TransferOptions {
  readonly key?: string
  readonly amount?: number
  readonly budgetMs?: number
  readonly wait?: 'decided' | 'applied'
  readonly id?: string
}

/** The overloads of `transaction` tell a kept id from none by its type. */
function withId(options: Omit<TransferOptions, 'key' | 'amount'>): { readonly id: string } {
  return options as { readonly id: string }
}

/** What a client is told: `given up` is an abort that nothing is recorded of. */
export type Told = 'nothing yet' | 'committed' | 'aborted' | 'given up' | 'in doubt' | 'committed with hazards'

/** Something that a client began, and what came of it. */
export class Run<T> {
  told: Told = 'nothing yet'
  value: T | undefined
  error: unknown
  /** Resolves once something was told. */
  readonly settled: Promise<void>

  constructor(promise: Promise<T>) {
    this.settled = promise.then(
      (value) => {
        this.value = value
        this.told = 'committed'
      },
      (error: unknown) => {
        this.error = error
        this.told = toldBy(error)
      },
    )
  }

  get done(): boolean {
    return this.told !== 'nothing yet'
  }

  /** Why it was aborted; undefined when it was not. */
  get reason(): string | undefined {
    return this.error instanceof TransactionAborted ? this.error.reason.code : undefined
  }

  /** The id, once its client was told something that names it. */
  get id(): TransactionId {
    const { value, error } = this
    if (error instanceof TransactionAborted || error instanceof InDoubt || error instanceof CommittedWithHazards)
      return error.id
    return (value as { readonly receipt: { readonly id: TransactionId } }).receipt.id
  }
}

function toldBy(error: unknown): Told {
  if (error instanceof InDoubt) return 'in doubt'
  if (error instanceof CommittedWithHazards) return 'committed with hazards'
  if (error instanceof TransactionAborted) return error.recorded ? 'aborted' : 'given up'
  throw error
}
