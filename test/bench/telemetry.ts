/**
 * What telemetry costs: the transfer of `bench.ts` without it, with metrics alone, with a tenth of all transactions sampled, and with all
 * of them, in every process (client, services, replicas). `npm run bench:telemetry -- --help`.
 *
 * Each turn starts a system of its own with empty stores, warms it up, measures, and stops it: what differs from one start to the next
 * (which code was compiled how, where a file lies) would otherwise look like a cost of one variant, however many rounds. Every round has
 * a turn of each variant, each round begins with another one, and a ratio compares two turns of the same round. `off again` is without
 * telemetry like `off`: its ratios say how much of the others' is chance.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type NatsServer, startNats } from '../../infra/nats.ts'
import { summarise, type Turn, tableOf, turnOf } from './comparison.ts'
import { noOpSpanMicroseconds } from './no-op.ts'
import { telemetryShare } from './profile.ts'
import { Sink } from './sink-process.ts'
import { System, type SystemOptions } from './system.ts'

const usage = `npm run bench:telemetry -- [--json] [--in-flight 32] [--warm-up 15] [--seconds 15] [--rounds 4] [--before FOLDER] [--profile]

Prints for each variant, as medians over the rounds: rate, median and 99th percentile, the ratio of rates to \`off\` in the same round with
its least and greatest value, the CPU seconds per 1,000 transfers of all processes but the sink with the same ratio, that ratio again with the servers' CPU as the
yardstick (both PostgreSQL and NATS do the same for a transfer in every variant, so what the machine does to all falls out), and how they
divide. Spans and metrics go by OTLP to a sink that reads them and throws them away. The sink has a
process of its own, whose CPU is in a column of its own, yet comes from the same cores: the rate has to bear it.
Last, in microseconds: what the calls of the OpenTelemetry API cost for one transfer with telemetry off.
--before also measures a checkout of an older state of this repository, with its packages installed.
--profile runs every process under the profiler, and prints for each variant which share of JavaScript's busy time went into telemetry's
own code: that hardly depends on what else the machine does, yet misses garbage and longer messages. The other figures suffer from it.
--json prints one JSON object a line instead, the single turns included.
`

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'in-flight': { type: 'string', default: '32' },
    'warm-up': { type: 'string', default: '15' },
    seconds: { type: 'string', default: '15' },
    rounds: { type: 'string', default: '4' },
    before: { type: 'string' },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const inFlight = Number(values['in-flight'])
const warmUpMs = Number(values['warm-up']) * 1_000
const measureMs = Number(values.seconds) * 1_000

/** Metrics are exported this often, instead of once a minute, so that each measured turn has an export, and so more than its share. */
const metricIntervalMs = measureMs

if (values.help) process.stdout.write(usage)
else await bench(Number(values.rounds))

async function bench(rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-bench-'))
  try {
    await using nats = await startNats()
    await using sink = await Sink.start(folder)
    const variants = variantsOf(sink.url)
    const turns = new Map<string, Turn[]>([...variants.keys()].map((name) => [name, []]))
    for (let round = 0; round < rounds; round += 1) {
      const names = [...variants.keys()]
      const order = [...names.slice(round % names.length), ...names.slice(0, round % names.length)]
      for (const name of order) {
        const turn = await takeTurn(nats, sink, folder, profiled(variants.get(name) ?? {}, profiles(folder, name)))
        turns.get(name)?.push(turn)
        if (values.json) console.log(JSON.stringify({ round, name, ...turn }))
      }
    }
    report(turns)
    if (values.profile) reportShares(folder, [...variants.keys()])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function variantsOf(endpoint: string): Map<string, SystemOptions> {
  const on = {
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_TRACES_EXPORTER: 'otlp',
    OTEL_METRICS_EXPORTER: 'otlp',
    OTEL_LOGS_EXPORTER: 'otlp',
    OTEL_METRIC_EXPORT_INTERVAL: String(metricIntervalMs),
    OTEL_METRIC_EXPORT_TIMEOUT: String(metricIntervalMs), // the SDK wants it to be no longer than the interval
  }
  const tenth = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' }
  return new Map<string, SystemOptions>([
    ...(values.before === undefined ? [] : [['before', { checkout: resolve(values.before) }] as const]),
    ['off', {}],
    ['off again', {}],
    ['metrics', { environment: { ...on, OTEL_TRACES_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' } }],
    ['a tenth', { environment: { ...on, ...tenth } }],
    ['everything', { environment: { ...on, OTEL_TRACES_SAMPLER: 'always_on' } }],
  ])
}

/** Where the profiles of a variant are. */
function profiles(folder: string, name: string): string {
  return join(folder, 'profiles', name)
}

function profiled(options: SystemOptions, folder: string): SystemOptions {
  if (!values.profile) return options
  const environment = { ...options.environment, NODE_OPTIONS: `--cpu-prof --cpu-prof-dir="${folder}"` }
  return { ...options, environment }
}

function reportShares(folder: string, names: readonly string[]): void {
  console.log("\nshare of JavaScript's busy time in telemetry's own code")
  for (const name of names) {
    console.log(`${name.padEnd(12)} ${(100 * telemetryShare(profiles(folder, name))).toFixed(1)} %`)
  }
}

async function takeTurn(nats: NatsServer, sink: Sink, folder: string, options: SystemOptions): Promise<Turn> {
  const system = await System.start('verdict', nats, folder, { ...options, beside: new Map([['sink', sink.pid]]) })
  try {
    await system.measure(inFlight, warmUpMs)
    const before = await sink.received()
    const measurement = await system.measure(inFlight, measureMs)
    const after = await sink.received()
    return turnOf(measurement, (after.spans - before.spans) / measurement.transfers)
  } finally {
    await system.stop()
  }
}

function report(turns: ReadonlyMap<string, readonly Turn[]>): void {
  const off = turns.get('off') ?? []
  const summaries = [...turns].map(([name, own]) => summarise(name, own, off))
  const spansPerTransfer = Math.max(...summaries.map((summary) => summary.spansPerTransfer))
  const spanUs = noOpSpanMicroseconds()
  const noOp = { spanUs, spansPerTransfer, transferUs: spanUs * spansPerTransfer }
  if (values.json) {
    for (const summary of [...summaries, noOp]) console.log(JSON.stringify(summary))
    return
  }
  for (const line of tableOf(summaries)) console.log(line)
  console.log(
    `\nwith telemetry off, the calls of the API cost ${noOp.transferUs.toFixed(1)} µs of all processes' CPU for one transfer: ` +
      `${spansPerTransfer.toFixed(1)} spans of ${spanUs.toFixed(3)} µs`,
  )
}
