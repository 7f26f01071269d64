import { expect, test } from 'vitest'
import type { Run, Told } from './client.ts'
import { Stage } from './stage.ts'

/** How somebody dies, what brings it back, and what may be told then to a client that lives. */
interface Death {
  readonly strike: (stage: Stage) => () => void
  readonly told: readonly Told[]
}

const anyEnd: readonly Told[] = ['committed', 'aborted', 'given up']

const deaths: Readonly<Record<string, Death>> = {
  'the leader crashes': {
    strike: ({ group }) => {
      const leader = group.crashLeader()
      return () => leader.start()
    },
    told: ['committed'],
  },
  "the leader's power fails": {
    strike: ({ group: { leader } }) => {
      leader.powerCut()
      return () => leader.start()
    },
    told: ['committed'],
  },
  'two replicas lose power': {
    strike: ({ group }) => {
      const two = group.replicas.slice(0, 2)
      for (const replica of two) replica.powerCut()
      return () => {
        for (const replica of two) replica.start()
      }
    },
    told: ['committed'],
  },
  'a participant crashes': {
    strike: ({ beta }) => {
      beta.crash()
      return () => beta.instance().start()
    },
    told: anyEnd,
  },
  'a database crashes': {
    strike: ({ beta: { database } }) => {
      database.crash()
      return () => database.restart()
    },
    told: anyEnd,
  },
  'the client crashes': {
    strike: ({ client }) => {
      client.process.crash()
      return () => client.process.start()
    },
    told: ['nothing yet'],
  },
}

const downMs = 400

interface End {
  readonly told: Told
  /** Messages between the first call and the answer. */
  readonly steps: number
}

/** Runs one transaction and lets somebody die when the message `step` leaves, Raft's own counted too. */
async function runWithDeath(
  seed: number,
  begin: (stage: Stage) => Run<unknown>,
  step: number,
  { strike }: Death,
): Promise<End> {
  const stage = await Stage.set({ seed })
  let steps = 0
  stage.simulation.network.observe(() => {
    steps += 1
    if (steps === step) stage.simulation.plan(downMs, strike(stage))
  })
  const run = begin(stage)
  await stage.until(() => run.done || !stage.client.process.running)
  const answered = steps
  await stage.pass(downMs + 100)
  await stage.rest()

  const { alpha, beta } = stage.balances()
  const moved = alpha === 90
  expect([alpha, beta]).toEqual(moved ? [90, 110] : [100, 100])
  if (run.told === 'committed') expect(moved).toBe(true)
  if (run.told === 'aborted' || run.told === 'given up') expect(moved).toBe(false)
  const { values } = (run.value ?? {}) as { readonly values?: unknown }
  if (values !== undefined) expect(values).toEqual([90, 110])
  return { told: run.told, steps: answered }
}

const kinds = {
  'of calls': ({ client }: Stage) => client.transfer('alpha', 'beta'),
  'of one shot': ({ client }: Stage) => client.submit('alpha', 'beta'),
}

const cases = Object.entries(kinds).flatMap(([kind, begin]) =>
  Object.entries(deaths).map(([death, how]) => ({ kind, begin, death, how })),
)

test.each(cases)(
  'R2, R6, R13: whenever $death, a transaction $kind has all of its effects or none, as was told',
  async ({ begin, how }) => {
    for (const seed of [1, 2, 3]) {
      const { steps, told } = await runWithDeath(seed, begin, 0, how)
      expect(told).toBe('committed')
      for (let step = 1; step <= steps; step += 1) {
        const end = await runWithDeath(seed, begin, step, how)
        expect(how.told, `seed ${seed}, when message ${step} left`).toContain(end.told)
      }
    }
  },
)
