import type { Digest, ParticipantName, TransactionId } from '@verdict/protocol'
import { makeToken, namespace, subjects, type Token } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import type { Run } from './client.ts'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'

const services = { alpha: {}, beta: {}, gamma: {}, delta: {} }
const forMs = 3_000
const healthyWorkers = 2
const sickWorkers = 4
/** Between two transactions of a worker: each event of a simulation takes real time. */
const pauseMs = 40

/** Transactions of two services, one after another and none in another's way; how many were committed, and how long each took. */
class Traffic {
  readonly timesMs: number[] = []
  readonly runs: Run<unknown>[] = []
  readonly #stage: Stage
  readonly #pair: readonly [string, string]

  constructor(stage: Stage, pair: readonly [string, string]) {
    this.#stage = stage
    this.#pair = pair
  }

  /** Sets so many workers going, until a moment of virtual time. */
  begin(workers: number, untilMs: number, operation: 'add' | 'refuseAll' = 'add'): void {
    for (let worker = 0; worker < workers; worker += 1) void this.#work(`w${worker}`, untilMs, operation)
  }

  async #work(key: string, untilMs: number, operation: 'add' | 'refuseAll'): Promise<void> {
    const { simulation } = this.#stage
    for (let turn = 0; simulation.nowMs < untilMs; turn += 1) {
      const beganMs = simulation.nowMs
      const run = this.#run(`${this.#pair[1]} ${key}`, operation, turn % 2 === 0)
      this.runs.push(run)
      await run.settled
      if (run.told === 'committed') this.timesMs.push(simulation.nowMs - beganMs)
      await new Promise<void>((resolve) => simulation.plan(pauseMs, resolve))
    }
  }

  #run(key: string, operation: 'add' | 'refuseAll', isOneShot: boolean): Run<unknown> {
    const [first, second] = this.#pair
    const [one, other] = [first, second].map((name) => name as ServiceContract['name'])
    return this.#stage.client.begin(async (verdict) => {
      const options = { budgetMs: 4_000 }
      if (isOneShot) {
        const add = verdict.call<ServiceContract>(one ?? '').add({ key, amount: 1 })
        const last = verdict.call<ServiceContract>(other ?? '')
        return verdict.submit([add, operation === 'add' ? last.add({ key, amount: 1 }) : last.refuseAll({})], options)
      }
      return verdict.transaction(async (tx) => {
        await tx.on<ServiceContract>(one ?? '').add({ key, amount: 1 })
        const last = tx.on<ServiceContract>(other ?? '')
        await (operation === 'add' ? last.add({ key, amount: 1 }) : last.refuseAll({}))
      }, options)
    })
  }
}

/** What makes a participant sick, and how its transactions are then called. */
const sicknesses = {
  none: () => 'add',
  slow(stage) {
    stage.service('delta').database.setFaults({ latencyMs: [300, 900] })
    return 'add'
  },
  silent(stage) {
    stage.simulation.plan(500, () => stage.service('delta').instance().pause())
    return 'add'
  },
  'full of nonsense'(stage) {
    talkNonsense(stage, 'delta' as ParticipantName)
    return 'add'
  },
  'refusing everything': () => 'refuseAll',
} satisfies Record<string, (stage: Stage) => 'add' | 'refuseAll'>

/** Whatever the participant says of a branch is replaced by something that nobody should say. */
function talkNonsense(stage: Stage, name: ParticipantName): void {
  const vote = subjects(namespace()).vote(stage.group.id, name)
  const { random } = stage.simulation
  const lies = stage.wire.hold(`vote from ${name}`)
  const digest = 'a'.repeat(26) as Digest
  const chat = (): void => {
    stage.simulation.plan(100, chat)
    const token = makeToken<Token>(random.bytes(12))
    for (const { message } of lies.messages.slice(-10)) {
      if (message.type !== 'vote') continue
      const { id, vote: cast } = message
      const { instance } = cast
      stage.wire.say(vote, { ...message, vote: { kind: 'prepared', instance, token, durability: 'full' } })
      stage.wire.say(vote, { ...message, digest })
      stage.wire.say(vote, { type: 'ack', id, digest: message.digest, instance, applied: 'committed' })
      stage.wire.say(vote, { type: 'hazard', id, digest, kind: 'effects-lost', note: 'everything is lost' })
      stage.wire.say(vote, { type: 'inquiry', instance, branches: [{ id: strange(id), digest, token }] })
    }
  }
  chat()
}

/** An id of the same group that nobody made. */
function strange(id: TransactionId): TransactionId {
  return `${id.slice(0, -8)}aaaaaaaa` as TransactionId
}

async function measure(kind: keyof typeof sicknesses) {
  const stage = await Stage.set({ services })
  const untilMs = stage.simulation.nowMs + forMs
  const [healthy, sick] = [new Traffic(stage, ['alpha', 'beta']), new Traffic(stage, ['gamma', 'delta'])]
  const operation = sicknesses[kind](stage)
  healthy.begin(healthyWorkers, untilMs)
  sick.begin(sickWorkers, untilMs, operation)
  await stage.pass(forMs + 500)
  const times = healthy.timesMs.toSorted((a, b) => a - b)
  const told = new Set(healthy.runs.map((run) => run.told))
  return {
    committed: times.length,
    p99Ms: times[Math.floor(0.99 * times.length)] ?? 0,
    told,
    sick: sick.timesMs.length,
  }
}

let undisturbed: ReturnType<typeof measure> | undefined

describe('a participant hurts only the transactions that it is in, when it is', () => {
  test.each(['slow', 'silent', 'full of nonsense', 'refusing everything'] as const)(
    '%s',
    async (kind) => {
      undisturbed ??= measure('none')
      const [well, sick] = [await undisturbed, await measure(kind)]
      expect(sick.sick).toBeLessThan(well.sick / 2)
      expect([...sick.told]).toEqual(['committed'])
      expect(sick.committed).toBeGreaterThan(0.95 * well.committed)
      expect(sick.p99Ms).toBeLessThan(1.2 * well.p99Ms + 1)
    },
    240_000,
  )
})
