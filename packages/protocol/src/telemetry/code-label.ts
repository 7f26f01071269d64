import { protocolErrors } from '../errors.ts'
import { reasonCodes } from '../outcome.ts'
import { otherLabel } from './names.ts'

const protocolCodes: ReadonlySet<string> = new Set([...Object.values(reasonCodes), ...Object.keys(protocolErrors)])

/** A code as `error.type` of a metric: the protocol's own ones; those of operations may be anything, and become one. */
export function codeLabel(code: string): string {
  return protocolCodes.has(code) ? code : otherLabel
}
