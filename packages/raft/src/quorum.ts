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

/** What a vote has come to, given the ballot of each member. */
export function tally(ballots: Iterable<Ballot>): 'won' | 'lost' | 'open' {
  const counts = { pending: 0, granted: 0, refused: 0 }
  for (const ballot of ballots) counts[ballot]++
  const needed = majorityOf(counts.pending + counts.granted + counts.refused)
  if (counts.granted >= needed) return 'won'
  return counts.granted + counts.pending < needed ? 'lost' : 'open'
}
