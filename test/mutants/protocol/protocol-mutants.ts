import { authorityMutants } from './authority-mutants.ts'
import { branchMutants } from './branch-mutants.ts'
import { decisionMutants } from './decision-mutants.ts'
import { forgettingMutants } from './forgetting-mutants.ts'
import { loneMutants } from './lone-mutants.ts'
import { outcomeMutants } from './outcome-mutants.ts'
import { resourceMutants } from './resource-mutants.ts'
import type { ProtocolMutant } from './rule.ts'

/** Rules of the commit protocol, each taken out. */
export const protocolMutants: readonly ProtocolMutant[] = [
  ...decisionMutants,
  ...branchMutants,
  ...outcomeMutants,
  ...loneMutants,
  ...forgettingMutants,
  ...resourceMutants,
  ...authorityMutants,
]
