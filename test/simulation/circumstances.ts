import type { SeededRandom } from '@verdict/runtime/simulated'
import type { Plan } from './clients.ts'
import type { Size } from './system.ts'
import { drawWeather, type Weather } from './weather.ts'

/** Share of histories in which clients ask for several lists of one id while leaders die: each alone is too seldom to meet the others. */
const twoListsShare = 0.25

/** What one history is made of, but for the patience of its roles: drawn from its seed. */
export interface Circumstances {
  readonly size: Size
  readonly plan: Plan
  readonly weather: Weather
  /** How long faults strike. */
  readonly stormMs: number
}

export function drawCircumstances(random: SeededRandom): Circumstances {
  const drawn = draw(random)
  if (!random.chance(twoListsShare)) return drawn
  const { plan, weather, size } = drawn
  return {
    ...drawn,
    size: { ...size, clients: Math.max(2, size.clients) },
    plan: { ...plan, kept: 1, fickle: 0.6, overlapping: 0.5, oneShots: 0.7, lone: 0 },
    weather: {
      ...weather,
      leaderDiesAtVote: random.between(0.1, 0.5),
      failover: random.pick([0, 0.4]),
    },
  }
}

function draw(random: SeededRandom): Circumstances {
  return {
    weather: drawWeather(random.fork('weather')),
    size: {
      replicas: random.chance(0.85) ? 3 : 5,
      banks: random.pick([2, 2, 2, 3, 3, 4, 5]),
      instances: random.integer(1, 3),
      clients: random.integer(1, 4),
      ordersPerSecond: random.pick([0, 0, 0.5, 3]),
    },
    plan: {
      transactions: random.integer(3, 10),
      oneShots: random.pick([0, 0.5, 1]),
      lone: random.pick([0, 0.3, 1]),
      wide: random.pick([0, 0.3]),
      split: random.pick([0, 0.5]),
      glances: random.pick([0, 0.2, 0.8]),
      audits: random.pick([0, 0.2]),
      kept: random.pick([0, 0.5, 1]),
      overlapping: random.pick([0, 0.5]),
      ordered: random.pick([0, 0.5]),
      serializable: random.pick([0, 0.5]),
      careless: random.pick([0, 0.3]),
      fickle: random.pick([0, 0, 0.5]),
      applied: random.pick([0, 0.5]),
      budgetMs: random.pick([300, 4_000]),
    },
    stormMs: random.chance(0.85) ? random.integer(1_000, 12_000) : random.integer(12_000, 40_000),
  }
}
