import type { Progress } from './progress.ts'
import type { Leader, RaftState } from './state.ts'

export type Ballot = 'pending' | 'granted' | 'refused'

/** The smallest number of members of which any two sets of that size share one. */
export function majorityOf(members: number): number {
  return Math.floor(members / 2) + 1
}

/** The highest value that a majority has reached, given the value of each member. */
export function reachedByMajority(values: readonly number[]): number {
  const descending = values.toSorted((one, other) => other - one)
  return descending[majorityOf(values.length) - 1] ?? 0
}

/** The highest value that a majority of the voters has reached, the leader's `own` counted like the others if it votes. */
export function reachedByVoters(
  state: Pick<RaftState, 'isVoter'>,
  { followers }: Pick<Leader, 'followers'>,
  own: number,
  reachedBy: (progress: Progress) => number,
): number {
  const values = state.isVoter ? [own] : []
  for (const progress of followers.values()) if (progress.votes) values.push(reachedBy(progress))
  return reachedByMajority(values)
}

/** What a vote has come to, given the ballot of each member. */
export function tally(ballots: Iterable<Ballot>): 'won' | 'lost' | 'open' {
  const counts = { pending: 0, granted: 0, refused: 0 }
  for (const ballot of ballots) counts[ballot]++
  const needed = majorityOf(counts.pending + counts.granted + counts.refused)
  if (counts.granted >= needed) return 'won'
  return counts.granted + counts.pending < needed ? 'lost' : 'open'
}
