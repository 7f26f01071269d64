/**
 * Takes rules out of the sources, one at a time, and sees that each is missed: `npm run mutants`, or one list of them:
 * `npm run mutants -- protocol`, or some: `npm run mutants -- raft snapshot`.
 */
import { availableParallelism } from 'node:os'
import { raftMutants } from '../../packages/raft/test/mutants/raft-mutants.ts'
import { modelMutants } from '../model/model-mutants.ts'
import { type Catcher, describe, type Mutant } from './mutant.ts'
import { protocolMutants } from './protocol/protocol-mutants.ts'
import { Workbench } from './workbench.ts'

const lists: Readonly<Record<string, readonly Mutant[]>> = {
  raft: raftMutants,
  protocol: protocolMutants,
  model: modelMutants,
}

const [first = '', ...others] = process.argv.slice(2)
const chosen = lists[first]
const words = chosen === undefined && first !== '' ? [first, ...others] : others
const mutants = (chosen ?? Object.values(lists).flat()).filter(({ fault, file }) =>
  words.every((word) => `${file} ${fault}`.includes(word)),
)
const startedMs = performance.now()
const problems = (await problemsWithoutMutants()) ?? (await catchAll())
for (const problem of problems) console.log(`\n${problem}`)
const seconds = Math.round((performance.now() - startedMs) / 1_000)
console.log(`\n${mutants.length} mutants, ${problems.length} problems, ${seconds} s`)
process.exitCode = problems.length === 0 && mutants.length > 0 ? 0 : 1

/**
 * A test that fails already before anything is taken out would catch everything. The histories, and the searches, are those that
 * `npm test` runs.
 */
async function problemsWithoutMutants(): Promise<readonly string[] | undefined> {
  const tests = mutants.flatMap(({ caughtBy }) => caughtBy).filter((catcher) => catcher.kind === 'test')
  if (tests.length === 0) return undefined
  await using bench = await Workbench.open()
  const { failed, output } = await bench.runTests(tests)
  return failed ? [`This fails without any mutant:\n${output}`] : undefined
}

async function catchAll(): Promise<readonly string[]> {
  const waiting = [...mutants]
  const found: string[] = []
  const work = async (): Promise<void> => {
    await using bench = await Workbench.open()
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      found.push(...(await catchOne(bench, mutant)))
    }
  }
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), mutants.length) }, work))
  return found
}

async function catchOne(bench: Workbench, mutant: Mutant): Promise<readonly string[]> {
  const { fault, file, caughtBy } = mutant
  const begunMs = performance.now()
  try {
    const missed: Catcher[] = []
    await bench.without(mutant, async () => {
      for (const catcher of caughtBy) if (!(await bench.run(catcher)).failed) missed.push(catcher)
    })
    const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1)
    console.log(`${missed.length === 0 ? 'caught' : 'MISSED'} ${seconds.padStart(6)} s  ${file}: ${fault}`)
    return missed.map((catcher) => `${file}: ${fault}\n  is not noticed by ${describe(catcher)}`)
  } catch (error) {
    console.log(`ERROR            ${file}: ${fault}`)
    return [`${fault}: ${error instanceof Error ? error.message : String(error)}`]
  }
}
