import type { SeededRandom } from '@verdict/runtime/simulated'
import type { RaftSettings } from '../../src/settings.ts'

/** How often each kind of fault strikes, for each second; how often what the network carries suffers, for each message. */
export interface Weather {
  readonly crash: number
  readonly powerCut: number
  /** The power of all replicas fails at once. */
  readonly blackout: number
  readonly pause: number
  /** Nothing passes between two sides. */
  readonly partition: number
  /** One replica is not heard by some others, which it hears. */
  readonly cutOneWay: number
  readonly slowDisk: number
  readonly clockRate: number
  /** Chance that a fault which strikes one replica strikes the leader. */
  readonly aimAtLeader: number
  /** Chance that a replica is struck when it is elected: before it has said a word, or in the middle of its first ones. */
  readonly strikeElected: number
  /** Chance of each message that its sender dies in the middle of what it sends. */
  readonly dieSending: number
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
  readonly maxDelayMs: number
  /** How long what is down or broken stays so, at most: shorter and longer than others take to elect a leader. */
  readonly maxDownMs: number
  /** Requests for another leader, and for another membership, for each second. */
  readonly transfer: number
  readonly membershipChange: number
}

/** One history's circumstances, all of them drawn from its seed: swarm testing (Groce and others, 2012). */
export interface Circumstances {
  readonly size: 3 | 5 | 7
  /** The shortest election time-out: the measure of all other times. */
  readonly timeoutMs: number
  readonly settings: Partial<RaftSettings>
  readonly weather: Weather
  readonly clients: number
  readonly maxPauseMs: number
  readonly patienceMs: number
}

export function drawCircumstances(random: SeededRandom): Circumstances {
  const timeoutMs = random.pick([60, 150, 500])
  return {
    size: random.pick([3, 3, 3, 5, 5, 7]),
    timeoutMs,
    settings: drawSettings(random, timeoutMs),
    weather: drawWeather(random, timeoutMs),
    clients: random.integer(2, 4),
    maxPauseMs: random.pick([0.1, 0.3, 0.6]) * timeoutMs,
    patienceMs: random.pick([0.2, 1, 4]) * timeoutMs,
  }
}

/** Some faults at all, those that there are with a rate of their own: one that is frequent hides others. */
function drawWeather(random: SeededRandom, timeoutMs: number): Weather {
  const some = (most: number): number => (random.chance(0.5) ? random.between(0, most) : 0)
  return {
    crash: some(3),
    powerCut: some(3),
    blackout: some(0.5),
    pause: some(2),
    partition: some(3),
    cutOneWay: some(2),
    slowDisk: some(2),
    clockRate: some(1),
    aimAtLeader: random.fraction(),
    strikeElected: random.pick([0, 0.3, 0.95]),
    dieSending: some(0.001),
    loss: some(0.1),
    duplication: some(0.2),
    reordering: some(0.3),
    maxDelayMs: random.pick([0.01, 0.05, 0.2, 0.2]) * timeoutMs,
    maxDownMs: random.pick([1, 4, 12]) * timeoutMs,
    transfer: some(2),
    membershipChange: some(3),
  }
}

/** Small bounds, so that all of them are reached, in all mixtures. */
function drawSettings(random: SeededRandom, timeoutMs: number): Partial<RaftSettings> {
  return {
    heartbeatMs: timeoutMs / 6,
    electionTimeoutMinMs: timeoutMs,
    electionTimeoutMaxMs: 2 * timeoutMs,
    maxEntriesPerAppend: random.pick([1, 1, 4, 64]),
    maxAppendBytes: random.pick([2_048, 16_384]),
    maxAppendsInFlight: random.pick([1, 2, 4]),
    maxUncommittedEntries: random.pick([4, 24, 1_000]),
    maxPromotionLag: random.pick([1, 8, 100]),
    entriesInMemory: random.pick([1, 8, 1_000]),
    retainedEntries: random.pick([1, 10, 1_000]),
    retainedBytes: random.pick([1_000, 1_000_000]),
    snapshotResendMs: timeoutMs / 2,
    snapshotPatienceMs: random.pick([2, 10]) * timeoutMs,
    catchUpPatienceMs: 10 * timeoutMs,
    applyFlushEntries: random.pick([1, 8, 64]),
    applyFlushMs: random.pick([5, 100, 1_000]),
  }
}
