export { type Ballot, ballotFor, busyUnderway, refusedBallot, unknownBranch } from './ballot.ts'
export { advanceBranch, branchWakeAtMs, newBranch, newOneShot } from './branch.ts'
export { consult } from './branch-prepare.ts'
export {
  type Branch,
  type BranchEffect,
  type BranchEvent,
  type BranchLimits,
  isNote,
  isOpen,
  mayBeOpenedAnew,
  mayRunAnew,
  rowOf,
  type SealedList,
} from './branch-state.ts'
export { type Ending, endingFor, isEnough, type Told, toldBy } from './ending.ts'
export { advanceRecovery, type Doubt, newRecovery, type Recovery, type RecoveryLimits } from './recovery.ts'
