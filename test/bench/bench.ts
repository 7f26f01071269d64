/**
 * The transfer: one debit and one credit at two services, each with its own PostgreSQL server, as one transaction. Beside it, in the
 * same run and in turns, the floor: the same two prepared transactions driven by hand, with no log. `npm run bench -- --help`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startNats } from '../../infra/nats.ts'
import { accounts, banks, openingCents, readBooks } from './bank.ts'
import { median } from './median.ts'
import { type Figures, System } from './system.ts'

const usage = `npm run bench -- [--json] [--in-flight 1,8,32,64] [--seconds 5] [--rounds 3]

Prints for each number of transfers in flight: rate, median and 99th percentile, CPU seconds per 1,000 (all processes), and the
ratio to the floor, as medians over the rounds. Beside it a flush probe and the CPU that other processes took meanwhile.
--json prints one JSON object a line instead.
`

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'in-flight': { type: 'string', default: '1,8,32,64' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(usage)
else await bench(values['in-flight'].split(',').map(Number), Number(values.seconds) * 1_000, Number(values.rounds))

async function bench(levels: readonly number[], measureMs: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-'))
  await using nats = await startNats()
  const floor = await System.start('floor', nats, folder)
  const verdict = await System.start('verdict', nats, folder)
  try {
    if (!values.json)
      console.log('in flight  system    per second   p50 ms   p99 ms  CPU s/1,000  of floor   flush µs  foreign CPU')
    for (const inFlight of levels) {
      const measured = { floor: [] as Figures[], verdict: [] as Figures[] }
      // Turn by turn, so that what the machine does meanwhile strikes both.
      for (let round = 0; round < rounds; round += 1) {
        measured.floor.push(await floor.measure(inFlight, measureMs))
        measured.verdict.push(await verdict.measure(inFlight, measureMs))
      }
      const floorRate = median(measured.floor.map(({ perSecond }) => perSecond))
      for (const system of ['floor', 'verdict'] as const) print(system, inFlight, medians(measured[system]), floorRate)
    }
    await checkBooks('floor', floor)
    await checkBooks('verdict', verdict)
  } finally {
    await verdict.stop()
    await floor.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** No money was made or lost, and nothing is left prepared once the last second phases are through. */
async function checkBooks(name: string, { databases }: System): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  for (;;) {
    const books = await Promise.all(databases.map(({ url }) => readBooks(url)))
    const cents = books.reduce((sum, book) => sum + book.cents, 0)
    const prepared = books.reduce((sum, book) => sum + book.prepared, 0)
    const expected = banks.length * accounts * openingCents
    if (prepared === 0 && cents === expected) {
      console.error(`bench: the books of ${name} balance, nothing is left prepared`)
      return
    }
    if (performance.now() > deadlineMs) {
      throw new Error(
        `The books of ${name} do not balance: ${cents} cents of ${expected}, ${prepared} branches prepared.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function print(system: 'floor' | 'verdict', inFlight: number, figures: Figures, floorRate: number): void {
  const ratioToFloor = figures.perSecond / floorRate
  if (values.json) {
    console.log(JSON.stringify({ system, inFlight, ...figures, ratioToFloor }))
    return
  }
  const columns = [
    String(inFlight).padStart(9),
    system.padEnd(8),
    figures.perSecond.toFixed(0).padStart(11),
    figures.p50Ms.toFixed(2).padStart(7),
    figures.p99Ms.toFixed(2).padStart(7),
    figures.cpuSecondsPer1000.toFixed(2).padStart(11),
    ratioToFloor.toFixed(2).padStart(8),
    String(figures.flushProbeUs).padStart(9),
    figures.foreignCpu.toFixed(2).padStart(11),
  ]
  console.log(columns.join('  '))
}

function medians(all: readonly Figures[]): Figures {
  const of = (key: keyof Figures): number => median(all.map((figures) => figures[key]))
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    cpuSecondsPer1000: of('cpuSecondsPer1000'),
    flushProbeUs: of('flushProbeUs'),
    foreignCpu: of('foreignCpu'),
  }
}
