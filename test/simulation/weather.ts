import type { SeededRandom } from '@verdict/runtime/simulated'

/** How often each kind of fault strikes, for each second of virtual time; what is called a chance is a probability of its own. */
export interface Weather {
  readonly replicaCrash: number
  readonly replicaPowerCut: number
  /** The power of all replicas fails at once. */
  readonly blackout: number
  readonly replicaPause: number
  readonly instanceCrash: number
  /** An instance that others think dead, and that goes on later where it stood. */
  readonly instancePause: number
  readonly clientCrash: number
  readonly clientPause: number
  readonly partition: number
  /** Somebody is not heard by some others, whom it hears, or does not hear them. */
  readonly cutOneWay: number
  readonly slowDisk: number
  readonly databaseCrash: number
  readonly databaseSlow: number
  /** Every statement fails, or every connection is refused: the participant refuses everything. */
  readonly databaseRefuses: number
  /** A standby takes over that has not heard of the newest commits. */
  readonly failover: number
  /** A database comes back as it was some time ago. */
  readonly restore: number
  /** Somebody ends a prepared branch by hand. */
  readonly endByHand: number
  /** Something that was said long ago is heard again. */
  readonly echo: number
  /** A participant, replica or client sends what nobody can read, or what makes no sense where it is sent. */
  readonly nonsense: number
  /** Chance that power fails at some replicas, or at all of them, just after one has told an outcome. */
  readonly powerCutAfterTelling: number
  /** Chance that whoever leads dies when a participant votes: others have to go on with what was promised to it. */
  readonly leaderDiesAtVote: number
  /** Chance that an instance dies when a commit is asked for, and the first call of a branch is heard again: it is opened anew. */
  readonly reopening: number
  /** Chance that a database crashes just after its participant has said a word of it: only what was flushed may be promised. */
  readonly databaseDiesAtWord: number
  /** Chance of each message that its sender dies with it: before it has left, or just after. */
  readonly dieSending: number
  /** Chance that an instance dies just before or after its store does something for it. */
  readonly dieAtStore: number
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
  readonly maxDelayMs: number
  readonly databaseAnswerLoss: number
  /** Chance that nobody hears whether a branch was prepared. */
  readonly uncertainPrepare: number
  /** Chance that nobody hears whether a lone branch was committed. */
  readonly uncertainCommit: number
  /** How much faster and slower than real time the clocks of processes run. */
  readonly clockSpread: number
  /** How far the clocks that people read are off. */
  readonly wallOffMs: number
  /** How long what is down, slow or cut off stays so, at most. */
  readonly maxDownMs: number
}

/**
 * Each seed has weather of its own: some faults at all, those that it has with a rate of its own (swarm testing, Groce and others,
 * 2012). One that is frequent hides others, so most histories have few.
 */
export function drawWeather(random: SeededRandom): Weather {
  const some = (most: number, share = 0.4): number => (random.chance(share) ? random.between(0, most) : 0)
  return {
    replicaCrash: some(0.5),
    replicaPowerCut: some(0.3),
    blackout: some(0.15, 0.2),
    replicaPause: some(0.3),
    instanceCrash: some(0.8),
    instancePause: some(0.5),
    clientCrash: some(0.6),
    clientPause: some(0.3),
    partition: some(0.4),
    cutOneWay: some(0.5),
    slowDisk: some(0.3),
    databaseCrash: some(0.2),
    databaseSlow: some(0.3),
    databaseRefuses: some(0.3, 0.25),
    failover: some(0.5, 0.3),
    restore: some(0.3, 0.1),
    endByHand: some(1, 0.25),
    echo: some(20),
    nonsense: some(5, 0.25),
    powerCutAfterTelling: some(0.1),
    leaderDiesAtVote: some(0.4, 0.3),
    reopening: some(0.5, 0.6),
    databaseDiesAtWord: some(0.3, 0.3),
    dieSending: some(0.01, 0.3),
    dieAtStore: some(0.1, 0.3),
    loss: some(0.08),
    duplication: some(0.2),
    reordering: some(0.3),
    maxDelayMs: random.chance(0.3) ? random.between(2, 200) : 1,
    databaseAnswerLoss: some(0.05),
    uncertainPrepare: some(0.3),
    uncertainCommit: some(0.3),
    clockSpread: some(0.5),
    wallOffMs: some(10 * 3_600_000),
    maxDownMs: random.pick([500, 3_000, 3_000, 20_000]),
  }
}
