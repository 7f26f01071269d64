/** Runs for long, and looks whether anything grows: `npm run soak -- --minutes 30`, or `npm run soak -- --simulated 100000000`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultSettings } from '@verdict/raft'
import { chart, format, formatCount } from './chart.ts'
import { GroupOfOne } from './group-of-one.ts'
import { growthOf, maxGrowthShare } from './growth.ts'
import type { Sample, Watched } from './sample.ts'
import { retentionMs, Shop } from './shop.ts'
import { gauges, simulate } from './simulated.ts'

const usage = `npm run soak -- --minutes N [--in-flight 32] [--svg FILE]
npm run soak -- --simulated N [--per-epoch 20000] [--svg FILE]

  --minutes N      three replicas and two banks as processes, under load for so long, keeping half a minute: eight times as long at least
  --in-flight N    transfers at a time
  --simulated N    decides so many simulated transactions in a real log and store
  --per-epoch N    how many of them come in one epoch
  --svg FILE       draws memory, files and rows over the run

Ends with 1 when the last quarter never shows less than ${maxGrowthShare * 100} % more of anything than the median of the half before it, and with 2
when too few transactions were decided to tell.
`
const samplesPerRun = 120
/** So many entries of the log are kept for followers, and about as much of everything else is full by then: before that all grows. */
const minDecided = 2 * defaultSettings.retainedEntries
const keptEpochs = 3

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    'in-flight': { type: 'string', default: '32' },
    simulated: { type: 'string' },
    'per-epoch': { type: 'string', default: '20000' },
    svg: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const [minutes, inFlight] = [Number(values.minutes), Number(values['in-flight'])]
const [transactions, perEpoch] = [Number(values.simulated), Number(values['per-epoch'])]
const isReal = values.minutes !== undefined && minutes * 60_000 >= 8 * retentionMs && inFlight > 0
const isSimulated = values.simulated !== undefined && perEpoch > 0 && transactions >= samplesPerRun * perEpoch
if (values.help || isReal === isSimulated) {
  process.stderr.write(usage)
  process.exitCode = values.help ? 0 : 2
} else {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-soak-'))
  try {
    const watched = isReal ? await soak(folder) : await soakSimulated(folder)
    if (values.svg !== undefined) writeFileSync(values.svg, chart(watched))
    process.exitCode = report(watched)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function soak(folder: string): Promise<Watched> {
  await using shop = await Shop.open(folder)
  const samples: Sample[] = []
  const measureMs = (minutes * 60_000) / samplesPerRun
  const startedMs = performance.now()
  let [committed, refused] = [0, 0]
  for (let round = 1; round <= samplesPerRun; round += 1) {
    const measured = await shop.load.measure({ inFlight, warmUpMs: 0, measureMs })
    committed += measured.committed
    refused += measured.refused
    samples.push({ at: (performance.now() - startedMs) / 1_000, values: await shop.read() })
    if (round % 10 === 0)
      console.log(
        `${round}/${samplesPerRun}: ${formatCount(committed)} committed, ${formatCount(measured.perSecond)} a second`,
      )
  }
  const title = `${formatCount(committed)} transfers committed and ${formatCount(refused)} aborted, each kept for ${retentionMs / 1_000} s`
  return { title, decided: committed + refused, along: 'seconds', gauges: shop.gauges, samples }
}

async function soakSimulated(folder: string): Promise<Watched> {
  await using group = await GroupOfOne.start(folder)
  const startedMs = performance.now()
  let count = 0
  const { samples, mostKept } = await simulate(
    group,
    { transactions, perEpoch, keptEpochs },
    samplesPerRun,
    ({ at }) => {
      if (++count % 10 === 0) console.log(`${count}/${samplesPerRun}: ${formatCount(at)} decided`)
    },
  )
  const perSecond = transactions / ((performance.now() - startedMs) / 1_000)
  console.log(`${formatCount(perSecond)} decisions a second, at most ${formatCount(mostKept)} records kept`)
  const title = `${formatCount(transactions)} simulated transactions, ${formatCount(perEpoch)} in an epoch, each kept for ${keptEpochs} epochs`
  return { title, decided: transactions, along: 'transactions', gauges, samples }
}

/** Prints how each gauge went; returns the exit code. */
function report(watched: Watched): number {
  const growths = growthOf(watched)
  console.log(`\n${watched.title}\n`)
  console.log(`${''.padEnd(44)}${'middle, median'.padStart(16)}${'last, least'.padStart(16)}${'growth'.padStart(10)}`)
  for (const { name, unit, before, last, share, isGrowing } of growths) {
    const percent = `${(share * 100).toFixed(1)} %${isGrowing ? ' !' : ''}`
    console.log(
      `${name.padEnd(44)}${format(before, unit).padStart(16)}${format(last, unit).padStart(16)}${percent.padStart(10)}`,
    )
  }
  if (watched.decided < minDecided) {
    console.log(`\nToo few transactions to tell: expected at least ${formatCount(minDecided)}. Run for longer.`)
    return 2
  }
  const growing = growths.filter(({ isGrowing }) => isGrowing).map(({ name }) => name)
  console.log(growing.length === 0 ? '\nNothing grows.' : `\nThese grow: ${growing.join(', ')}.`)
  return growing.length === 0 ? 0 : 1
}
