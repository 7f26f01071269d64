import type { CommitCost, LoneDurations } from '@verdict/protocol'

/** A part of a transaction's way, and how long it took. */
export interface Step {
  readonly name: 'look' | 'calls' | 'operations' | 'commit' | 'votes' | 'log' | 'on the way'
  readonly ms: number
}

/** What a transaction cost until its outcome was known, as far as its client knows or was told. */
export interface Cost {
  /** Messages between client, group and participants, calls and everything sent again included; the log's own are not. */
  readonly messages: number
  /** Messages that the outcome waited for, one after another, once commit was asked for; the log's own included. */
  readonly hops: number
  /** Flushes that the outcome waited for, one after another: what happens at the same time at several places counts once. */
  readonly flushes: number
  /** Records in the group's log. */
  readonly logEntries: number
  readonly totalMs: number
  /** Where the time went; together they are `totalMs`. */
  readonly steps: readonly Step[]
}

/** What the commit itself cost beside the messages that the client saw. */
export interface Spent extends Pick<Cost, 'hops' | 'flushes' | 'logEntries'> {
  /** Messages that others told of. */
  readonly messages: number
  /** What others told of the time. */
  readonly steps: readonly Step[]
}

/** The participant alone decided: the request, one flush of effects and row, the answer. */
export function spentAlone(took: LoneDurations | undefined, oneShot: boolean): Spent {
  return { hops: 2, flushes: 1, logEntries: 0, messages: 0, steps: aloneSteps(took, oneShot) }
}

/** The participant alone was asked, and had nothing to keep. */
export function spentReading(took: LoneDurations | undefined, oneShot: boolean): Spent {
  return { ...spentAlone(took, oneShot), flushes: 0 }
}

/** Request, prepares, votes, the log's round trip, answer; the branches' flushes, then those of the log. */
export function spentLogged(took: CommitCost | undefined): Spent {
  return { hops: 6, flushes: 2, logEntries: 1, messages: took?.messages ?? 0, steps: groupSteps(took) }
}

/** As `spentLogged`, up to the votes: none of them promised anything. */
export function spentAsking(took: CommitCost | undefined): Spent {
  return { hops: 4, flushes: 0, logEntries: 0, messages: took?.messages ?? 0, steps: groupSteps(took) }
}

/** Counts what one transaction costs, from its beginning. */
export class Tally {
  private readonly nowMs: () => number
  private readonly begunMs: number
  private readonly steps: Step[] = []
  private steppedMs: number
  private messages = 0

  constructor(nowMs: () => number) {
    this.nowMs = nowMs
    this.begunMs = nowMs()
    this.steppedMs = this.begunMs
  }

  /** Messages left or came. */
  count(messages: number): void {
    this.messages += messages
  }

  /** What was done since the last step is over. */
  step(name: 'look' | 'calls'): void {
    const nowMs = this.nowMs()
    this.steps.push({ name, ms: nowMs - this.steppedMs })
    this.steppedMs = nowMs
  }

  /** The whole cost, now that the outcome is known; undefined parts of the commit are `on the way`. */
  cost(spent: Spent): Cost {
    const nowMs = this.nowMs()
    const { hops, flushes, logEntries } = spent
    const told = spent.steps.reduce((sum, { ms }) => sum + ms, 0)
    // Others measure with clocks of their own: the rest may come out a little below nothing.
    const rest: Step = { name: 'on the way', ms: Math.max(0, nowMs - this.steppedMs - told) }
    const messages = this.messages + spent.messages
    return {
      messages,
      hops,
      flushes,
      logEntries,
      totalMs: nowMs - this.begunMs,
      steps: [...this.steps, ...spent.steps, rest],
    }
  }
}

function aloneSteps(took: LoneDurations | undefined, oneShot: boolean): readonly Step[] {
  if (took === undefined) return []
  const commit: Step = { name: 'commit', ms: took.commitMs }
  return oneShot ? [{ name: 'operations', ms: took.runMs }, commit] : [commit]
}

function groupSteps(took: CommitCost | undefined): readonly Step[] {
  if (took === undefined) return []
  const votes: Step = { name: 'votes', ms: took.votesMs }
  return took.logMs > 0 ? [votes, { name: 'log', ms: took.logMs }] : [votes]
}
