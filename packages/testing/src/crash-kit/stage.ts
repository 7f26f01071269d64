import { setTimeout as sleep } from 'node:timers/promises'
import { type CallResult, decodePayload, type Payload, type Reason, reasonCodes } from '@verdict/protocol'
import { MemoryBus } from '../memory-bus.ts'
import { Director } from './director.ts'
import { defaultBudgetMs, type Example } from './example.ts'
import { Life } from './life.ts'
import type { Plan } from './probe.ts'
import type { Run } from './run.ts'
import type { ScriptedTransaction } from './scripted-transaction.ts'

/** How long the kit waits for what only the machine can delay. */
export const patienceMs = 10_000
/** What a call has left of its transaction's budget, where time does not matter. */
const plentyMs = 60_000
const lookAgainMs = 2

/** What became of a call. */
export type Called =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'refused'; readonly reason: Reason }
  | { readonly kind: 'busy' | 'held' }
  /** It did not answer in time; `waitsFor` is the statement without an answer, if there is one. */
  | { readonly kind: 'stuck'; readonly waitsFor: string | undefined }

/** Where the points are played: the bus, the script's side of the protocol, and one life of the service after another. */
export class Stage implements AsyncDisposable {
  readonly budgetMs: number
  readonly #test: Example
  readonly #bus = new MemoryBus()
  readonly #director: Director
  #lives: Life[] = []

  constructor(test: Example, participant: string) {
    this.#test = test
    this.budgetMs = test.budgetMs ?? defaultBudgetMs
    this.#director = new Director(this.#bus, participant, test.call)
  }

  /** Runs of the operation since the last reset, in all lives. */
  get runs(): readonly Run[] {
    return this.#lives.flatMap(({ probe }) => probe.runs)
  }

  /** Whether every life came to where its plan holds it. */
  get isReached(): boolean {
    return this.#lives.every(({ probe }) => probe.isReached)
  }

  /** The life that goes on. */
  get life(): Life {
    const life = this.#lives.at(-1)
    if (life === undefined) throw new Error('Broken invariant: nobody lives on the stage.')
    return life
  }

  /** Brings the data back to where the example begins, and starts the first life. */
  async begin(plan: Plan = {}): Promise<void> {
    await Promise.all(this.#lives.map((life) => life.stop()))
    this.#lives = []
    const done = await within(patienceMs, async () => this.#test.reset())
    if (!done) throw new Error(`The crash test's reset did not end within ${patienceMs} ms.`)
    await this.#start(plan)
  }

  /** Ends the life there is and begins the next one on the same data. */
  async replace(how: 'crash' | 'stop'): Promise<void> {
    await this.life[how]()
    await this.#start()
  }

  transaction(isLone = false): ScriptedTransaction {
    return this.#director.begin(isLone)
  }

  async state(): Promise<unknown> {
    // A copy: a picture must not change with what it is a picture of.
    return structuredClone(await this.#test.state())
  }

  /** Calls the operation and waits until it has answered, or stands where the plan holds it. */
  async call(tx: ScriptedTransaction, leftMs: number = plentyMs): Promise<Called> {
    tx.call(leftMs)
    const answer = await this.orHeld((signal) => tx.answer(this.budgetMs, signal))
    return answer === 'held' ? { kind: 'held' } : this.called(answer)
  }

  /** What an answer says, or its absence. */
  called(answer: CallResult | undefined): Called {
    if (answer === undefined) return { kind: 'stuck', waitsFor: this.#waitsFor() }
    switch (answer.result.kind) {
      case 'value':
        return { kind: 'value', value: readValue(answer.result.value) }
      case 'refused':
        return answer.result
      case 'busy':
        return { kind: 'busy' }
    }
  }

  /** Waits for what the script expects, unless the instance is held before. */
  async orHeld<T>(expect: (signal: AbortSignal) => Promise<T>): Promise<T | 'held'> {
    const given = new AbortController()
    const got = await Promise.race([this.life.probe.held, expect(given.signal)])
    given.abort()
    return got
  }

  /** Waits until no branch is open any more. */
  async quiet(): Promise<void> {
    const quiet = await within(patienceMs, async () => {
      while (!this.life.isQuiet) await sleep(lookAgainMs)
    })
    if (!quiet) throw new Error(`A branch of the crash test did not end within ${patienceMs} ms.`)
  }

  #waitsFor(): string | undefined {
    const running = this.runs.findLast(({ end }) => end === undefined)
    return running?.statements.find(({ hasEnded }) => !hasEnded)?.text
  }

  async #start(plan?: Plan): Promise<void> {
    this.#lives.push(await Life.start(this.#test.define, this.#bus, plan))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#lives.map((life) => life.stop()))
    await this.#bus.close()
  }
}

export function readValue(value: Payload): unknown {
  return decodePayload(value, 'The value of the example')
}

/** Whether a call ended for want of a lock that somebody keeps. */
export function wantedLock(called: Called): boolean {
  return called.kind === 'stuck' || (called.kind === 'refused' && called.reason.code === reasonCodes.lockTimeout)
}

async function within(ms: number, work: () => Promise<unknown>): Promise<boolean> {
  const over = new AbortController()
  const done = work().then(() => true)
  done.catch(() => undefined) // of what fails later nobody waits any more
  const late = sleep(ms, false, { signal: over.signal }).catch(() => false)
  try {
    return await Promise.race([done, late])
  } finally {
    over.abort()
  }
}
