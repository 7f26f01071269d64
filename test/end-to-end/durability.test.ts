import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ended, lineOf } from '../../infra/process.ts'
import type { Service } from '../../infra/shop/service.ts'
import { Shop } from '../../infra/shop/shop.ts'
import { newKey, place } from './customer.ts'
import { newOrder } from './order.ts'
import { until } from './until.ts'

const delayMs = 600 // an order takes a tenth of it
const synchronous = 0o10000 // O_DSYNC, as Linux shows the flags of an open file

const delayed = `inject=fdatasync:delay_enter=${delayMs * 1000}`
const hindrance = whatHinders()

let shop: Shop

beforeAll(async () => {
  shop = await Shop.start()
  await placeOrder() // the first one waits for connections and for code to be loaded
})
afterAll(() => shop.stop())

/** Places an order and returns how long its customer waited to be told. */
async function placeOrder(): Promise<number> {
  const key = await newKey(shop)
  const startedAtMs = performance.now()
  expect(await place(shop, key, newOrder())).toMatchObject({ outcome: 'committed' })
  return performance.now() - startedAtMs
}

async function followers(): Promise<Service[]> {
  const leader = await shop.leader()
  return shop.replicas.filter((replica) => replica !== leader?.service)
}

test.for([
  { what: 'inventory has flushed its branch', slow: async () => [shop.inventory] },
  { what: 'a majority of the replicas has flushed the decision', slow: followers },
])('a customer is told nothing before $what', async ({ slow }, { skip }) => {
  skip(hindrance !== undefined, hindrance)
  const services = await slow()
  const brakes = await Promise.all(services.map(({ pid = 0 }) => slowFlushes(pid)))
  try {
    expect(await placeOrder()).toBeGreaterThan(delayMs)
  } finally {
    for (const brake of brakes) await release(brake)
  }
})

test('the root of each LMDB store is written through to the disk', async ({ skip }) => {
  skip(hindrance !== undefined, hindrance)
  for (const { name, pid = 0 } of [...shop.replicas, shop.inventory]) {
    const file = join(shop.folder, `${name}.trace`)
    const strace = await trace(pid, file, ['-e', 'trace=pwrite64'])
    const throughs = new Set(throughsOf(pid))
    try {
      await placeOrder()
      await until(() => {
        const written = readFileSync(file, 'utf8').matchAll(/pwrite64\((\d+),/g)
        return [...written].some(([, descriptor = '']) => throughs.has(descriptor))
      })
    } finally {
      await release(strace)
    }
  }
})

/** A process's descriptors of a store that are open with O_DSYNC. */
function throughsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).filter((descriptor) => {
    if (!link(`/proc/${pid}/fd/${descriptor}`).endsWith('/data.mdb')) return false
    const [, flags = ''] = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8')) ?? []
    return (Number.parseInt(flags, 8) & synchronous) !== 0
  })
}

/** Why flushes cannot be slowed down here, if they cannot. */
function whatHinders(): string | undefined {
  const tried = spawnSync('strace', ['-qq', '-e', delayed, 'true'], { encoding: 'utf8' })
  if (tried.error !== undefined) return 'strace is not installed'
  return tried.status === 0 ? undefined : `strace cannot be used: ${tried.stderr.trim()}`
}

/** Makes each fdatasync of a process take longer, until `release`. */
function slowFlushes(pid: number): Promise<ChildProcess> {
  return trace(pid, '/dev/null', ['-e', 'trace=fdatasync', '-e', delayed])
}

async function trace(pid: number, file: string, what: readonly string[]): Promise<ChildProcess> {
  const args = ['-f', '-o', file, ...what, '-p', String(pid)]
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  await lineOf(strace.stderr, /attached/, 'strace')
  return strace
}

async function release(strace: ChildProcess): Promise<void> {
  strace.kill('SIGINT') // it lets go of the process, which runs on
  await ended(strace)
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}
