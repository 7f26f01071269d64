import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Shop } from '../shop/shop.ts'
import { TraceBackend } from '../traces/backend.ts'
import { auditArguments } from './audit-arguments.ts'
import { placeOrders } from './customers.ts'
import { killLeader, killOrders, killPaymentsInstance } from './disasters.ts'
import { findExamples } from './examples.ts'
import { Gate } from './gate.ts'
import { Ledger } from './ledger.ts'
import { type Order, OrderFileError, readOrders } from './order.ts'
import { Screen } from './screen.ts'

const services = join(import.meta.dirname, '..', '..', 'services')
const inFlight = 32
const tracedOrders = 600 // each makes some forty spans, and a page of the backend loads all of the last ones
/** When each disaster strikes, as a share of all orders that were decided. */
const disasters = [
  { at: 0.15, what: 'Killing the leading coordinator', strike: killLeader },
  {
    at: 0.4,
    what: 'Killing one of the two instances of payments while it holds prepared branches',
    strike: killPaymentsInstance,
  },
  { at: 0.65, what: 'Killing the only instance of orders while it holds prepared branches', strike: killOrders },
] as const

const usage = `npm run demo -- [--orders FILE] [--traces] [--keep]

  --orders FILE  orders of your own, one JSON object a line: orderId, customer, sku, quantity, cents
  --traces       send every trace, metric and log to an OpenTelemetry backend that is started too, print where to look, and, on a
                 terminal, leave all running until Ctrl-C; places the first ${tracedOrders} orders unless there are orders of your own
  --keep         leave everything running afterwards, to be explored, until Ctrl-C
`

interface Options {
  readonly orders: readonly Order[]
  readonly traces: boolean
  readonly keep: boolean
}

const screen = new Screen()
const interrupted = new AbortController()
process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  let shop: Shop | undefined
  let backend: TraceBackend | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort())
  try {
    screen.title('Verdict: a shop over three services, each with a database of its own')
    const onProgress = (what: string): void => screen.say(`${what} …`)
    if (options.traces) {
      onProgress('starting a backend for traces')
      backend = await TraceBackend.start()
    }
    shop = await Shop.start({ onProgress, ...(backend === undefined ? {} : { environment: backend.environment }) })
    if (interrupted.signal.aborted) return 130
    return await runShop(shop, options, backend)
  } catch (error) {
    if (interrupted.signal.aborted) return 130
    screen.stopFollowing()
    screen.bad(error instanceof Error ? error.message : String(error))
    return 1
  } finally {
    screen.stopFollowing()
    if (shop !== undefined) {
      screen.say('stopping everything that was started …')
      await shop.stop()
    }
    await backend?.stop()
  }
}

function readOptions(): Options | number {
  try {
    const { values } = parseArgs({
      options: {
        orders: { type: 'string' },
        traces: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(usage)
      return 0
    }
    const { traces, keep } = values
    const orders = readOrders(values.orders ?? join(services, 'checkout', 'orders.jsonl'))
    const few = traces && values.orders === undefined
    return { orders: few ? orders.slice(0, tracedOrders) : orders, traces, keep }
  } catch (error) {
    const known = error instanceof OrderFileError || error instanceof TypeError
    process.stderr.write(known ? `${error.message}\n\n${usage}` : `${String(error)}\n`)
    return 2
  }
}

async function runShop(shop: Shop, { orders, keep }: Options, backend: TraceBackend | undefined): Promise<number> {
  const ledger = new Ledger()
  screen.title(`Placing ${orders.length} orders through checkout, ${inFlight} in flight`)
  screen.say(
    'Each order reserves stock (LMDB), charges an account (PostgreSQL) and is written down (another PostgreSQL): all three or none.',
  )
  screen.follow(ledger, orders.length)
  const startedAtMs = performance.now()
  const gate = new Gate()
  interrupted.signal.addEventListener('abort', () => gate.open(orders.length))
  const placing = placeOrders(orders, inFlight, () => shop.checkoutUrl, ledger, interrupted.signal, gate)
  await Promise.all([placing, strikeAll(shop, ledger, gate, orders.length)])
  const seconds = (performance.now() - startedAtMs) / 1000
  screen.stopFollowing()
  if (interrupted.signal.aborted) return 130
  report(ledger, seconds)
  const code = await audit(shop, ledger)
  if (backend !== undefined) await showTraces(backend)
  // Without a terminal nobody can press Ctrl-C, and whoever waits for the demo's end shall see it.
  if (keep || (backend !== undefined && process.stdout.isTTY)) await leaveRunning(shop, backend)
  return code
}

/** Lets the orders pass up to where a disaster strikes, and goes on from there while it does. */
async function strikeAll(shop: Shop, ledger: Ledger, gate: Gate, total: number): Promise<void> {
  const places = disasters.map(({ at }) => Math.floor(total * at))
  for (const [turn, { what, strike }] of disasters.entries()) {
    const place = places[turn] ?? total
    gate.open(place)
    while (ledger.entries.length < place) {
      if (interrupted.signal.aborted) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    gate.open(places[turn + 1] ?? total)
    screen.title(what)
    const happened = await strike({ shop, ledger, signal: interrupted.signal })
    if (happened === undefined) {
      screen.say('nothing was killed: all orders were over before (it takes some hundreds of them)')
      continue
    }
    screen.say(`kill -9: ${happened.killed}`)
    screen.good(happened.found)
    screen.say(`longest pause without a commit: ${Math.round(happened.pauseMs)} ms`)
  }
  gate.open(total)
}

function report(ledger: Ledger, seconds: number): void {
  screen.title('What the customers were told')
  screen.say(`${ledger.committed} orders committed, ${ledger.refused} refused, none left in doubt`)
  for (const [code, count] of [...ledger.refusals].sort((a, b) => b[1] - a[1]))
    screen.say(`  refused ${code}: ${count}`)
  const milliseconds = (share: number): string => `${Math.round(ledger.percentileMs(share))} ms`
  const rate = Math.round(ledger.entries.length / seconds)
  screen.say(
    `${rate} orders/s over ${seconds.toFixed(1)} s, kills included; p50 ${milliseconds(0.5)}, p99 ${milliseconds(0.99)}`,
  )
}

/** Runs the audit as a program of its own, which shares no code with what it audits. */
async function audit(shop: Shop, ledger: Ledger): Promise<number> {
  screen.title('The audit: an independent program reads the three stores')
  const ledgerFile = join(shop.folder, 'ledger.jsonl')
  ledger.writeTo(ledgerFile)
  const child = execFile(process.execPath, [join(import.meta.dirname, 'audit.ts'), ...auditArguments(shop, ledgerFile)])
  child.stdout?.pipe(process.stdout, { end: false })
  child.stderr?.pipe(process.stderr, { end: false })
  const [code] = (await once(child, 'close')) as [number | null]
  screen.say('(kill -9 proves the crash of a process; a power cut is proven in the simulation: npm run simulate)')
  return code ?? 1
}

async function showTraces(backend: TraceBackend): Promise<void> {
  screen.title('The traces of three transactions (docs/tracing.md says how to read them)')
  const examples = await findExamples(backend, interrupted.signal)
  for (const { what, traceId } of examples) screen.say(`${what.padEnd(24)} ${backend.pageOf(traceId)}`)
  if (!examples.some(({ what }) => what === 'recovered'))
    screen.say('nobody had to finish a transaction for another, this time')
}

async function leaveRunning(shop: Shop, backend: TraceBackend | undefined): Promise<void> {
  screen.title('Left running; Ctrl-C stops everything')
  screen.say(`checkout          ${shop.checkoutUrl}   (POST /keys, then POST /orders with the header Idempotency-Key)`)
  screen.say(`NATS              ${shop.nats.url}`)
  screen.say(`payments database ${shop.paymentsDatabase.url}`)
  screen.say(`orders database   ${shop.ordersDatabase.url}`)
  screen.say(`data and logs     ${shop.folder}`)
  if (backend !== undefined) screen.say(`traces, metrics   ${backend.url}`)
  if (interrupted.signal.aborted) return
  // The signal alone does not keep the process alive; the running services' pipes do.
  await once(interrupted.signal, 'abort')
}
