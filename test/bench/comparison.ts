import { median } from './median.ts'
import type { Measurement } from './system.ts'

/** Where CPU goes, by names of processes; what none of them takes is the servers'. */
const parts = {
  client: ['client'],
  banks: ['bank-a', 'bank-b'],
  replicas: ['coordinator-n1', 'coordinator-n2', 'coordinator-n3'],
} as const

/** One variant in one round. */
export interface Turn {
  readonly measurement: Measurement
  /** CPU seconds per 1,000 transfers: of all but the sink, of its parts, and of the sink. */
  readonly cpu: Readonly<Record<'total' | keyof typeof parts | 'servers' | 'sink', number>>
  readonly spansPerTransfer: number
}

export function turnOf(measurement: Measurement, spansPerTransfer: number): Turn {
  const of = (names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (measurement.cpuOf.get(name) ?? 0), 0)
  const [client, banks, replicas, sink] = [of(parts.client), of(parts.banks), of(parts.replicas), of(['sink'])]
  const total = measurement.cpuSecondsPer1000 - sink
  return {
    measurement,
    cpu: { total, client, banks, replicas, servers: total - client - banks - replicas, sink },
    spansPerTransfer,
  }
}

interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** One variant, over all rounds. */
export interface Summary {
  readonly telemetry: string
  readonly perSecond: number
  readonly rateOfOff: Spread
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpu: Turn['cpu']
  readonly cpuOfOff: Spread
  /**
   * CPU of all but the sink as a ratio to `off`, by the yardstick of the servers: PostgreSQL and NATS do the same for each transfer in
   * every variant, so their CPU tells how fast the machine was during a turn. What varies with the machine falls out.
   */
  readonly costOfOff: Spread
  readonly spansPerTransfer: number
  readonly flushProbeUs: number
  readonly foreignCpu: number
}

/** Medians over the rounds; a ratio is of two turns of one round, but for the cost, which needs none beside it. */
export function summarise(name: string, own: readonly Turn[], off: readonly Turn[]): Summary {
  const middle = (read: (turn: Turn) => number): number => median(own.map(read))
  const spreadOf = (ratios: readonly number[]): Spread => ({
    median: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
  })
  const ofOff = (read: (turn: Turn) => number): Spread =>
    spreadOf(own.map((turn, round) => read(turn) / read(off[round] ?? turn)))
  const offInServers = median(off.map(inServers))
  return {
    telemetry: name,
    perSecond: middle(({ measurement }) => measurement.perSecond),
    rateOfOff: ofOff(({ measurement }) => measurement.perSecond),
    p50Ms: middle(({ measurement }) => measurement.p50Ms),
    p99Ms: middle(({ measurement }) => measurement.p99Ms),
    cpu: {
      total: middle(({ cpu }) => cpu.total),
      client: middle(({ cpu }) => cpu.client),
      banks: middle(({ cpu }) => cpu.banks),
      replicas: middle(({ cpu }) => cpu.replicas),
      servers: middle(({ cpu }) => cpu.servers),
      sink: middle(({ cpu }) => cpu.sink),
    },
    cpuOfOff: ofOff(({ cpu }) => cpu.total),
    costOfOff: spreadOf(own.map((turn) => (1 + inServers(turn)) / (1 + offInServers))),
    spansPerTransfer: middle((turn) => turn.spansPerTransfer),
    flushProbeUs: middle(({ measurement }) => measurement.flushProbeUs),
    foreignCpu: middle(({ measurement }) => measurement.foreignCpu),
  }
}

/** CPU of client, banks and replicas, for each second of the servers'. */
function inServers({ cpu }: Turn): number {
  return (cpu.client + cpu.banks + cpu.replicas) / cpu.servers
}

const headings = [
  'telemetry',
  'per second',
  'of off (min..max)',
  'p50 ms',
  'p99 ms',
  'CPU s/1,000',
  'of off (min..max)',
  'by servers (min..max)',
  'client',
  'banks',
  'replicas',
  'servers',
  'sink',
  'spans/transfer',
  'foreign CPU',
]

function rowOf(summary: Summary): string[] {
  const { cpu } = summary
  const figure = (value: number): string => value.toFixed(2)
  const spread = ({ median: middle, min, max }: Spread): string =>
    `${middle.toFixed(3)} (${min.toFixed(2)}..${max.toFixed(2)})`
  return [
    summary.telemetry,
    summary.perSecond.toFixed(0),
    spread(summary.rateOfOff),
    summary.p50Ms.toFixed(1),
    summary.p99Ms.toFixed(1),
    figure(cpu.total),
    spread(summary.cpuOfOff),
    spread(summary.costOfOff),
    ...[cpu.client, cpu.banks, cpu.replicas, cpu.servers, cpu.sink].map(figure),
    summary.spansPerTransfer.toFixed(1),
    figure(summary.foreignCpu),
  ]
}

/** Lines of text, the headings first. */
export function tableOf(summaries: readonly Summary[]): string[] {
  const rows = [headings, ...summaries.map(rowOf)]
  const widths = headings.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (text: string, column: number): string =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(pad).join('  '))
}
