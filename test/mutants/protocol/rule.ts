import type { Mutant } from '../mutant.ts'

/** The rules of docs/protocol.md. */
export const rules = [
  ...['R1', 'R2', 'R3', 'R4', 'R5', 'R6', 'R7', 'R8', 'R9'],
  ...['R10', 'R11', 'R12', 'R13', 'R14', 'R15', 'R16', 'R17'],
] as const

export type Rule = `R${number}`

/** A mutant of the commit protocol. */
export interface ProtocolMutant extends Mutant {
  /** The rule that its fault breaks. */
  readonly rule: Rule
}
