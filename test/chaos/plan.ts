import { SeededRandom } from '@verdict/runtime/simulated'

/** How often each kind of fault is drawn, in proportion. What real systems suffer most often comes most often here. */
export const weights = {
  'kill leader': 4,
  'kill replica': 2,
  'kill two replicas': 1, // nothing can be decided meanwhile
  'pause leader': 3, // longer than an election: it wakes up deposed
  'pause replica': 1,
  'kill participant': 4,
  'pause participant': 3,
  'kill client': 3,
  'pause client': 1,
  'kill auditor': 1,
  'kill NATS server': 2,
  'pause NATS server': 2,
  'kill all NATS servers': 1,
  'crash PostgreSQL': 2,
  'pause PostgreSQL': 2,
  'fill disk': 2,
  'cut host off': 3,
  'cut link': 2,
  'cut one way': 2,
} as const
export type FaultKind = keyof typeof weights

export const faultKinds = Object.keys(weights) as readonly FaultKind[]

/** A fault to come. Which part of the system it strikes is said by a fraction, since who leads is known only then. */
export interface PlannedFault {
  readonly kind: FaultKind
  /** Since the first one could have begun. */
  readonly atMs: number
  readonly durationMs: number
  /** Chooses among those that this kind can strike: from [0, 1). */
  readonly choice: number
}

const maxGapMs = 3_500
/** Faults that last at the same time: with more of them nothing would get on, and nothing would be put to the test. */
const maxAtOnce = 3
const longestMs = 4_000
/** One in so many lasts up to `veryLongMs`: longer than a transaction's budget. */
const veryLongEvery = 8
const veryLongMs = 15_000
/** At the end of each round nothing is broken, so that whatever could not get on meanwhile is seen to get on. */
const roundMs = 45_000
const quietMs = 6_000

/** The faults of a run, from its seed alone. */
export function planFaults(seed: number, durationMs: number, kinds: readonly FaultKind[]): readonly PlannedFault[] {
  const random = new SeededRandom(seed, 'chaos')
  const planned: PlannedFault[] = []
  for (let atMs = random.integer(0, maxGapMs); atMs < durationMs; atMs += random.integer(200, maxGapMs)) {
    const kind = draw(kinds, random.fraction())
    const longest = random.integer(1, veryLongEvery) === 1 ? veryLongMs : longestMs
    const wantedMs = random.integer(200, longest)
    const choice = random.fraction()
    const leftMs = Math.min(roundMs - quietMs - (atMs % roundMs), durationMs - atMs)
    const isCrowded = planned.filter((before) => before.atMs + before.durationMs > atMs).length >= maxAtOnce
    if (leftMs > 0 && !isCrowded) planned.push({ kind, atMs, durationMs: Math.min(wantedMs, leftMs), choice })
  }
  return planned
}

/** Fills every round with the kinds that can happen here, by weight. */
function draw(kinds: readonly FaultKind[], fraction: number): FaultKind {
  let left = fraction * kinds.reduce((sum, kind) => sum + weights[kind], 0)
  for (const kind of kinds) {
    left -= weights[kind]
    if (left < 0) return kind
  }
  throw new Error('There is no kind of fault to draw from.')
}
