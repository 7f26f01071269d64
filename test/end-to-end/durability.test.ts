import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ended, lineOf } from '../../infra/process.ts'
import type { Service } from '../../infra/shop/service.ts'
import { Shop } from '../../infra/shop/shop.ts'
import { newKey, place } from './customer.ts'
import { newOrder } from './order.ts'

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

test.skipIf(process.platform !== 'linux')('the root of each LMDB store is written through to the disk', () => {
  for (const { name, pid = 0 } of [...shop.replicas, shop.inventory]) {
    const files = readdirSync(`/proc/${pid}/fd`).filter((file) => link(`/proc/${pid}/fd/${file}`).endsWith('/data.mdb'))
    const flags = files.map(
      (file) => /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${file}`, 'utf8'))?.[1],
    )
    expect({
      name,
      files: flags.filter((text) => (Number.parseInt(text ?? '', 8) & synchronous) !== 0).length,
    }).toEqual({
      name,
      files: 1,
    })
  }
})

/** Why flushes cannot be slowed down here, if they cannot. */
function whatHinders(): string | undefined {
  const tried = spawnSync('strace', ['-qq', '-e', delayed, 'true'], { encoding: 'utf8' })
  if (tried.error !== undefined) return 'strace is not installed'
  return tried.status === 0 ? undefined : `strace cannot be used: ${tried.stderr.trim()}`
}

/** Makes each fdatasync of a process take longer, until `release`. */
async function slowFlushes(pid: number): Promise<ChildProcess> {
  const strace = spawn('strace', ['-f', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', delayed, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
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
