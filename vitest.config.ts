import { availableParallelism } from 'node:os'
import { configDefaults, type TestProjectConfiguration, type ViteUserConfig } from 'vitest/config'

const raft = 'packages/raft/test/**/*.test.ts'
const simulation = 'test/simulation/**/*.test.ts'
const model = 'test/model/*.test.ts'
const conformance = 'test/conformance/**/*.test.ts'
const endToEnd = 'test/end-to-end/**/*.test.ts'
const everywhere = ['{packages,services}/*/test/**/*.test.ts', 'test/**/*.test.ts']

/** A part that can be run alone: `npm test -- --project <name>`. CONTRIBUTING.md gives the time that each may take. */
function part(
  name: string,
  include: string[],
  limits: { timeoutMs: number; alone?: boolean },
): TestProjectConfiguration {
  return {
    extends: true,
    test: {
      name,
      include,
      exclude:
        name === 'unit'
          ? [...configDefaults.exclude, raft, simulation, model, conformance, endToEnd]
          : configDefaults.exclude,
      testTimeout: limits.timeoutMs,
      hookTimeout: Math.max(limits.timeoutMs, 30_000), // a hook may start a PostgreSQL server
      // Parts that measure time with real processes come last and one file at a time: each file alone fills two cores.
      sequence: { groupOrder: limits.alone ? 1 : 0 },
      maxWorkers: limits.alone ? 1 : availableParallelism(),
    },
  }
}

const config: ViteUserConfig = {
  ssr: { resolve: { conditions: ['@verdict/source'] } },
  test: {
    globalSetup: './infra/setup.ts',
    reporters: ['default', './infra/closing-line.ts'],
    allowOnly: false,
    projects: [
      part('unit', everywhere, { timeoutMs: 30_000 }),
      part('raft', [raft], { timeoutMs: 60_000 }),
      part('simulation', [simulation], { timeoutMs: 180_000 }),
      part('model', [model], { timeoutMs: 180_000 }),
      part('conformance', [conformance], { timeoutMs: 60_000, alone: true }),
      part('end-to-end', [endToEnd], { timeoutMs: 120_000, alone: true }),
    ],
  },
}

export default config
