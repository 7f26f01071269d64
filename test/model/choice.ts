/** Draws one of several possibilities, named for whoever reads a trace. */
export type Choose = <Option extends string>(...options: readonly Option[]) => Option

/** Runs something once for each way in which its choices can fall. */
export function everyWay<Result>(run: (choose: Choose) => Result): readonly Result[] {
  const results: Result[] = []
  const plans: number[][] = [[]]
  for (let plan = plans.pop(); plan !== undefined; plan = plans.pop()) {
    const taken: number[] = []
    const choose: Choose = (...options) => {
      const place = plan[taken.length] ?? 0
      if (taken.length >= plan.length) {
        for (let other = options.length - 1; other > 0; other -= 1) plans.push([...taken, other])
      }
      taken.push(place)
      const chosen = options[place]
      if (chosen === undefined)
        throw new Error('Broken invariant: the same step offers other choices when it is run again.')
      return chosen
    }
    results.push(run(choose))
  }
  return results
}
