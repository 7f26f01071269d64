import { describeResource } from '@verdict/testing'
import { describe, test } from 'vitest'
import { simulatedHarness } from './simulated.ts'

describeResource('the simulated database', simulatedHarness, { describe, test })
