/** Runs histories of the whole system: `npm run simulate -- --seeds 1000 --from 1`, or one of them with its trace: `--from 17 --trace`. */
import { parseArgs } from 'node:util'
import { runHistory } from './history.ts'
import { addReached, coverageReport, unknown } from './report.ts'

const usage = `npm run simulate -- [--seeds N] [--from S] [--first] [--trace]

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
  process.exitCode = await simulate(first, seeds, values.trace)
}

async function simulate(from: number, count: number, trace: boolean): Promise<number> {
  const sums = { committed: 0, aborted: 0, lone: 0, expired: 0, forgotten: 0, told: 0, virtualMs: 0 }
  const struck: Record<string, number> = {}
  const orders: Record<string, number> = {}
  const reached = new Map<string, number>()
  let failed = 0
  const startedMs = performance.now()
  for (let seed = from; seed < from + count; seed += 1) {
    if (values.first && failed > 0) break
    try {
      const history = await runHistory(seed, trace ? { print: (line) => console.log(line) } : {})
      for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += history[key]
      add(struck, history.faults)
      add(orders, history.orders)
      addReached(reached, history.reached)
      if (trace) console.log(`seed ${seed}: trace ${history.traceHash}`)
    } catch (error) {
      failed += 1
      console.log(`${error instanceof Error ? error.message : String(error)}`)
      console.log(`To see it again: npm run simulate -- --from ${seed} --trace\n`)
    }
  }
  const seconds = (performance.now() - startedMs) / 1_000
  console.log(
    `${count} histories, ${failed} failed, ${(count / seconds).toFixed(1)} a second, ${Math.round(sums.virtualMs / 1_000)} s of virtual time`,
  )
  console.log(
    `outcomes: ${sums.committed} committed (${sums.lone} of them alone), ${sums.aborted} aborted, ${sums.forgotten} of them forgotten; ${sums.expired} expired; ${sums.told} answers to clients`,
  )
  console.log(`faults: ${describe(struck)}`)
  console.log(`orders of operators: ${describe(orders)}`)
  console.log(coverageReport(reached))
  const strange = unknown(reached)
  if (strange.length > 0) console.log(`Reached, and not in the table of states: ${strange.join(', ')}`)
  return failed === 0 ? 0 : 1
}

function add(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [what, times] of Object.entries(counts)) sums[what] = (sums[what] ?? 0) + times
}

function describe(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, times]) => `${what} ${times}`)
    .join(', ')
}
