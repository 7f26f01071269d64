/** Runs histories of the consensus log: `npm run simulate:raft -- --seeds 1000 --from 1`, or one of them with its trace: `--from 17 --trace`. */
import { parseArgs } from 'node:util'
import { runHistory } from './history.ts'

const usage = `npm run simulate:raft -- [--seeds N] [--from S] [--first] [--trace]

  --seeds N  how many histories (default 100; 1 with --trace)
  --from S   the first seed (default 1)
  --first    end with the first history that fails
  --trace    print every event of the history, one line each
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    first: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const first = Number(values.from)
const seeds = Number(values.seeds ?? (values.trace ? 1 : 100))
if (values.help || !Number.isSafeInteger(first) || !Number.isSafeInteger(seeds) || seeds < 1) {
  process.stderr.write(usage)
  process.exitCode = values.help ? 0 : 2
} else {
  process.exitCode = await simulate(first, seeds)
}

async function simulate(from: number, count: number): Promise<number> {
  const sums = { operations: 0, uncertain: 0, terms: 0, virtualMs: 0 }
  const faults = new Map<string, number>()
  const events = new Map<string, number>()
  let failed = 0
  let run = 0
  const startedMs = performance.now()
  for (let seed = from; seed < from + count; seed += 1) {
    if (values.first && failed > 0) break
    run += 1
    try {
      const history = await runHistory(seed, values.trace ? (line) => console.log(line) : undefined)
      for (const key of ['operations', 'uncertain', 'terms', 'virtualMs'] as const) sums[key] += history[key]
      addUp(faults, history.faults)
      addUp(events, history.events)
      if (values.trace) console.log(`seed ${seed}: trace ${history.traceHash}`)
    } catch (error) {
      failed += 1
      console.log(`${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  const seconds = (performance.now() - startedMs) / 1_000
  console.log(
    `${run} histories, ${failed} failed, ${(run / seconds).toFixed(1)} seeds a second, ${Math.round(sums.virtualMs / 1_000)} s of virtual time`,
  )
  console.log(
    `clients: ${sums.operations} operations, of ${sums.uncertain} nobody knows; ${sums.terms} terms with a leader`,
  )
  console.log(`faults (loss, duplication and reordering by histories): ${listed(faults)}`)
  console.log(`events: ${listed(events)}`)
  return failed === 0 ? 0 : 1
}

function addUp(sums: Map<string, number>, counts: ReadonlyMap<string, number>): void {
  for (const [name, count] of counts) sums.set(name, (sums.get(name) ?? 0) + count)
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
