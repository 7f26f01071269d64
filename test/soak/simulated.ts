import { epochOf, maxSettledIds } from '@verdict/coordinator/internal'
import type { Epoch, Token, TransactionId } from '@verdict/protocol'
import {
  type Decision,
  type Digest,
  type InstanceId,
  makeId,
  makeToken,
  ownerName,
  participantName,
} from '@verdict/protocol'
import { systemRandom } from '@verdict/runtime'
import type { GroupOfOne } from './group-of-one.ts'
import { memoryOf } from './memory.ts'
import type { Gauge, Sample } from './sample.ts'

/** How the simulated transactions come, and how long they are kept. */
export interface Load {
  readonly transactions: number
  readonly perEpoch: number
  readonly keptEpochs: number
}

/** Of so many transactions one is aborted; it is never acknowledged. */
const abortedOf = 20
/** Of so many transactions one stays unsettled, since a participant is away for long. */
const lateOf = 1_000
/** How many times the retention such a participant is away. */
const lateRetentions = 3
/** Decisions on their way into the log at a time. */
const inFlight = 4_096

export const gauges: readonly Gauge[] = [
  { name: 'records that the group keeps', unit: 'rows' },
  { name: "bytes of the store's file", unit: 'bytes' },
  { name: 'memory of the process', unit: 'bytes' },
]

/** What a run has come to. */
export interface Run {
  readonly samples: readonly Sample[]
  /** Most records that were kept at the end of an epoch. */
  readonly mostKept: number
  /** Committed long before the horizon and not settled yet: these must be there. */
  readonly late: readonly TransactionId[]
}

/**
 * Decides simulated transactions in a real log, as fast as it goes: epochs pass by numbers of transactions instead of time. Samples
 * are taken at the end of an epoch, as many as there is room for.
 */
export async function simulate(
  group: GroupOfOne,
  load: Load,
  maxSamples: number,
  onSample: (sample: Sample) => void = () => undefined,
): Promise<Run> {
  const { transactions, perEpoch } = load
  const history = new History(group, load.keptEpochs)
  const samples: Sample[] = []
  let mostKept = 0
  while (history.decided < transactions) {
    for (let left = perEpoch; left > 0; left -= inFlight) await history.decide(Math.min(left, inFlight))
    await history.advance()
    const { decided, kept } = history
    mostKept = Math.max(mostKept, kept)
    if (decided < (samples.length + 1) * (transactions / maxSamples)) continue
    const sample = { at: decided, values: [kept, group.fileBytes(), memoryOf('self')] }
    samples.push(sample)
    onSample(sample)
  }
  return { samples, mostKept, late: history.late }
}

/** What was decided, and what of it is still kept. The log keeps the order in which it is proposed to. */
class History {
  decided = 0
  readonly #group: GroupOfOne
  readonly #keptEpochs: number
  readonly #late: { readonly id: TransactionId; readonly untilEpoch: number }[] = []
  #forgotten = 0

  constructor(group: GroupOfOne, keptEpochs: number) {
    this.#group = group
    this.#keptEpochs = keptEpochs
  }

  get kept(): number {
    return this.decided - this.#forgotten
  }

  /** Committed, and not settled yet. */
  get late(): readonly TransactionId[] {
    return this.#late.map(({ id }) => id)
  }

  /** Decides so many transactions, and settles those that are acknowledged. */
  async decide(count: number): Promise<void> {
    const epoch = epochOf(this.#group.space)
    const settled: TransactionId[] = []
    while (this.#late[0] !== undefined && this.#late[0].untilEpoch <= epoch)
      settled.push(...this.#late.splice(0, 1).map(({ id }) => id))
    const proposed = Array.from({ length: count }, () => {
      const id = newId(this.#group, epoch)
      const number = ++this.decided
      const outcome = number % abortedOf === 0 ? 'aborted' : 'committed'
      if (number % lateOf === 1) this.#late.push({ id, untilEpoch: epoch + lateRetentions * this.#keptEpochs })
      else if (outcome === 'committed') settled.push(id)
      return this.#group.propose({ kind: 'decide', decision: decision(id, outcome) })
    })
    while (settled.length > 0) {
      proposed.push(this.#group.propose({ kind: 'settled', ids: settled.splice(0, maxSettledIds) }))
    }
    await Promise.all(proposed)
  }

  /** Moves the epoch, and forgets all that may go. */
  async advance(): Promise<void> {
    let applied = await this.#group.propose({ kind: 'advance', keptEpochs: this.#keptEpochs })
    while (applied.kind === 'forgotten' && applied.ids.length > 0) {
      this.#forgotten += applied.ids.length
      applied = await this.#group.propose({ kind: 'forget' })
    }
  }
}

function newId({ manifest: { name, incarnation } }: GroupOfOne, epoch: Epoch): TransactionId {
  const parts = { group: name, incarnation, epoch, owner: ownerName('soak'), mark: 'once' } as const
  return makeId(parts, systemRandom.bytes(12))
}

const digest = 'a'.repeat(26) as Digest
const [instance, token] = [makeToken<InstanceId>(new Uint8Array(12)), makeToken<Token>(new Uint8Array(12))]
const participants = [participantName('payments'), participantName('inventory')]

function decision(id: TransactionId, outcome: Decision['outcome']): Decision {
  const vote = outcome === 'committed' ? 'prepared' : 'unknown'
  return {
    id,
    outcome,
    digest,
    branches: participants.map((participant) => ({ participant, vote, instance, token })),
    actor: { kind: 'owner' },
    decidedAtMs: 0,
    ...(outcome === 'aborted' ? { reason: { code: 'client-aborted', message: '', retryable: true } } : {}),
  }
}
