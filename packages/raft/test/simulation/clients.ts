import type { SeededRandom } from '@verdict/runtime/simulated'
import { NotLeaderError, OverloadedError, ProposalUncertainError } from '../../src/errors.ts'
import type { RunningReplica } from '../../src/running-replica.ts'
import type { Group, Member } from './group.ts'
import type { Operation } from './linearizability.ts'
import { type Call, stateAfter } from './register.ts'
import { encodeCommand, registerValue } from './register-machine.ts'

const keys = ['a', 'b', 'c', 'd']
/** A client that is sent away so often gives its operation up. */
const maxAttempts = 8
/** Time that a request and its answer take on the way, at most. */
const maxTravelMs = 2

/** An operation as it comes about. */
interface Entered extends Operation<Call, string> {
  output: string | undefined
  returnedAt: number
  /** It certainly did not happen. */
  refused: boolean
}

type Outcome = 'answered' | 'refused' | 'uncertain' | 'silent'

/** Clients that read and change registers through whichever replica leads, and remember what they were told. */
export class Clients {
  readonly #group: Group
  readonly #random: SeededRandom
  readonly #entered: Entered[] = []
  #moment = 0
  #busy = 0
  #stopped = false
  #commands = 0

  constructor(group: Group) {
    this.#group = group
    this.#random = group.simulation.random.fork('clients')
  }

  /** Everything that may have happened. */
  get operations(): readonly Operation<Call, string>[] {
    return this.#entered.filter(({ refused }) => !refused)
  }

  /** Operations of which nobody knows what became of them. */
  get uncertain(): number {
    return this.operations.filter(({ output }) => output === undefined).length
  }

  /** Whether no client waits for anything. */
  get idle(): boolean {
    return this.#busy === 0
  }

  start(): void {
    for (let client = 0; client < this.#group.circumstances.clients; client++) void this.#live()
  }

  /** No client begins anything new. */
  stop(): void {
    this.#stopped = true
  }

  /** Changes and reads each register once more, until it is done. */
  finish(): void {
    for (const key of keys) void this.#finish(key)
  }

  async #live(): Promise<void> {
    const { maxPauseMs } = this.#group.circumstances
    let at: Member | undefined
    this.#busy++
    while (!this.#stopped) {
      await this.#pause(this.#random.between(0, maxPauseMs))
      at = await this.#perform(this.#drawCall(), at)
    }
    this.#busy--
  }

  async #finish(key: string): Promise<void> {
    this.#busy++
    await this.#insist({ kind: 'append', key, value: 'end' })
    await this.#insist({ kind: 'read', key })
    this.#busy--
  }

  async #insist(call: Call): Promise<void> {
    const isDone = ({ input, output }: Entered): boolean => input === call && output !== undefined
    while (!this.#entered.some(isDone)) {
      await this.#perform(call, undefined)
      await this.#pause(this.#random.between(1, 10))
    }
  }

  /** Asks one replica after the other. As soon as it is not certain that nothing happened, it is left at that. */
  async #perform(call: Call, firstAt: Member | undefined): Promise<Member | undefined> {
    const entered: Entered = {
      input: call,
      output: undefined,
      calledAt: ++this.#moment,
      returnedAt: Number.POSITIVE_INFINITY,
      refused: false,
    }
    this.#entered.push(entered)
    let at = firstAt
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      at = at?.process.running === true ? at : this.#somebody()
      const outcome = at === undefined ? 'refused' : await this.#ask(at, entered)
      if (outcome === 'answered') return at
      at = this.#somebody()
      if (outcome !== 'refused') return at
      await this.#pause(this.#random.between(0, 10))
    }
    entered.refused = true
    return at
  }

  /** Mostly somebody who believes that it leads, be it still or already; sometimes anybody. */
  #somebody(): Member | undefined {
    const { running } = this.#group
    const leading = running.filter(({ replica }) => replica?.state.role.kind === 'leader')
    const choices = leading.length > 0 && this.#random.chance(0.9) ? leading : running
    return choices.length === 0 ? undefined : this.#random.pick(choices)
  }

  /** The request waits for a process that is paused and dies with one that dies, as the answer does. */
  #ask(member: Member, entered: Entered): Promise<Outcome> {
    const { simulation, circumstances } = this.#group
    return new Promise((resolve) => {
      const giveUp = simulation.plan(circumstances.patienceMs, () => resolve('silent'))
      const end = (outcome: Outcome): void => {
        giveUp()
        resolve(outcome)
      }
      member.process.world.clock.after(this.#random.between(0, maxTravelMs), () => {
        if (member.replica === undefined) return
        this.#call(member.replica, entered.input).then(
          (output) =>
            simulation.plan(this.#random.between(0, maxTravelMs), () => {
              entered.output = output
              entered.returnedAt = ++this.#moment
              end('answered')
            }),
          (error: unknown) => end(this.#refusal(error, entered)),
        )
      })
    })
  }

  async #call(replica: RunningReplica<string>, call: Call): Promise<string> {
    if (call.kind !== 'read') return replica.propose(encodeCommand({ id: `c${++this.#commands}`, call }))
    await replica.confirmLeadership()
    return registerValue(replica.space, call.key)
  }

  #refusal(error: unknown, entered: Entered): Outcome {
    if (error instanceof NotLeaderError || error instanceof OverloadedError) return 'refused'
    if (!(error instanceof ProposalUncertainError)) this.#group.fail(error)
    return entered.input.kind === 'read' ? 'refused' : 'uncertain'
  }

  #drawCall(): Call {
    const key = this.#random.pick(keys)
    const value = String(this.#entered.length)
    const kind = this.#random.pick(['read', 'read', 'read', 'write', 'append', 'swap'] as const)
    if (kind === 'read') return { kind, key }
    return kind === 'swap' ? { kind, key, expected: this.#lastSeen(key), value } : { kind, key, value }
  }

  /** What the register is likely to hold: else no swap would ever succeed. */
  #lastSeen(key: string): string {
    const last = this.#entered.findLast(({ input, output }) => input.key === key && output !== undefined)
    return last?.output === undefined ? '' : stateAfter(last.output, last.input)
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#group.simulation.plan(delayMs, resolve))
  }
}
