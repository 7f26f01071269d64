import { test } from '../mutant.ts'
import type { ProtocolMutant } from './rule.ts'

/** Epochs, and how what nobody needs is forgotten (rules R11, R12). */
export const forgettingMutants: readonly ProtocolMutant[] = [
  {
    rule: 'R11',
    fault: 'what lies at the horizon is decided once more',
    file: 'coordinator/decisions.ts',
    code: `if (epoch <= horizonOf(space)) return { kind: 'expired' }`,
    replacement: `if (epoch < horizonOf(space)) return { kind: 'expired' }`,
    caughtBy: [
      test(
        'coordinator/decisions',
        'nothing is recorded at or behind the horizon: the answer is expired, whatever was proposed',
      ),
    ],
  },
]
