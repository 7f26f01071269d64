import type { Catcher } from '../../../../test/mutants/mutant.ts'
import { testedSeeds } from '../simulation/history.ts'

/** One of the log's histories that `npm test` runs. */
export const histories: Catcher = {
  kind: 'histories',
  simulator: 'packages/raft/test/simulation/simulate.ts',
  ...testedSeeds,
}
