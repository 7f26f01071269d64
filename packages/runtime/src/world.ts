import type { Bus } from './bus.ts'
import type { Clock } from './clock.ts'
import type { Random } from './random.ts'

/** All that a role may ask of the world, besides a store of its own. */
export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly bus: Bus
}
