import { expect, test } from 'vitest'
import type { Run } from './client.ts'
import { Stage } from './stage.ts'

/** What a script may kill, and how. What was killed lives again a moment later. */
const deaths: Readonly<Record<string, (stage: Stage) => () => void>> = {
  'the leader crashes': ({ group }) => {
    const { leader } = group
    leader.crash()
    return () => leader.start()
  },
  "the leader's power fails": ({ group }) => {
    const { leader } = group
    leader.powerCut()
    return () => leader.start()
  },
  'two replicas lose power': ({ group }) => {
    const two = group.replicas.slice(0, 2)
    for (const replica of two) replica.powerCut()
    return () => {
      for (const replica of two) replica.start()
    }
  },
  'a participant crashes': ({ beta }) => {
    beta.crash()
    return () => beta.instance().start()
  },
  'a database crashes': ({ beta }) => {
    beta.database.crash()
    return () => beta.database.restart()
  },
  'the client crashes': ({ client }) => {
    client.process.crash()
    return () => client.process.start()
  },
}

const downMs = 400

interface End {
  readonly told: string
  /** Messages between the first call and the answer. */
  readonly steps: number
}

/** Runs one transaction and lets `die` strike when the message `step` leaves, Raft's own counted too. */
async function runWithDeath(
  begin: (stage: Stage) => Run<unknown>,
  step: number,
  die: (stage: Stage) => () => void,
): Promise<End> {
  const stage = await Stage.set({ seed: 7 })
  let steps = 0
  stage.simulation.network.observe(() => {
    steps += 1
    if (steps === step) stage.simulation.plan(downMs, die(stage))
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
  return { told: run.told, steps: answered }
}

const kinds = {
  'of calls': ({ client }: Stage) => client.transfer('alpha', 'beta'),
  'one-shot': ({ client }: Stage) => client.submit('alpha', 'beta'),
}

test.each(Object.entries(kinds).flatMap(([kind, begin]) => Object.entries(deaths).map(([death, die]) => ({ kind, begin, death, die }))))(
  'R2, R6, R13: whenever $death, a transaction $kind has all of its effects or none, as was told',
  async ({ begin, die }) => {
    const calm = await runWithDeath(begin, 0, die)
    expect(calm.told).toBe('committed')
    const told = new Set<string>()
    for (let step = 1; step <= calm.steps; step += 1) told.add((await runWithDeath(begin, step, die)).told)
    expect(told).toContain(begin === undefined ? '' : [...told][0])
  },
)
