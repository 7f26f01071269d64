import type { Mutant } from '../../../../test/mutants/mutant.ts'
import { coreMutants } from './core-mutants.ts'
import { membershipMutants } from './membership-mutants.ts'
import { snapshotMutants } from './snapshot-mutants.ts'
import { storeMutants } from './store-mutants.ts'

/** Rules of the consensus log, each taken out. */
export const raftMutants: readonly Mutant[] = [
  ...coreMutants,
  ...membershipMutants,
  ...snapshotMutants,
  ...storeMutants,
]
