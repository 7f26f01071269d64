import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { importsOf } from '../repository/sources.ts'
import { Census } from './census.ts'
import { newOrder, newOrders, penniless, soldOut } from './order.ts'
import { until } from './until.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'verdict-orders-'))
const placed = 138
const plenty = 1_988 // some seconds of load for each disaster, so that a service killed in a bad moment is killed again
const refused = 12
const many = 500 // not placed before the interrupt comes

afterAll(() => rmSync(folder, { recursive: true }))

/** The demo as a process; `text` is what it has said. */
class Demo {
  text = ''
  readonly #child: ChildProcess

  constructor(...args: string[]) {
    const program = [`--conditions=@verdict/source`, join(root, 'infra', 'demo', 'main.ts'), ...args]
    const child = spawn(process.execPath, program, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (this.text += chunk))
    this.#child = child
    onTestFinished(() => this.end())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Waits until it says something. @throws Error when it ends before. */
  async says(text: string): Promise<void> {
    await until(() => {
      if (this.#child.exitCode !== null && !this.text.includes(text))
        throw new Error(`It never said ${text}: ${this.text}`)
      return this.text.includes(text)
    })
  }

  /** What a terminal does at Ctrl-C. */
  interrupt(): void {
    this.#child.kill('SIGINT')
  }

  /** Stops it gracefully, when a test failed in the middle. */
  async end(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.exitCode()
  }

  async exitCode(): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'close')
    return this.#child.exitCode
  }
}

function orderFile(name: string, lines: readonly unknown[]): string {
  const file = join(folder, name)
  writeFileSync(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
  return file
}

describe('npm run demo', () => {
  test('survives three disasters, and its audit finds the books in balance', async () => {
    const poor = Array.from({ length: refused / 2 }, () => newOrder({ customer: penniless }))
    const late = Array.from({ length: refused / 2 }, () => newOrder({ sku: soldOut }))
    const demo = new Demo('--orders', orderFile('orders.jsonl', [...poor, ...late, ...newOrders(plenty)]))
    const code = await demo.exitCode()
    expect(demo.text).toMatch(/kill -9: coordinator-\w+ \(pid \d+\), leader of term (\d+)/)
    expect(demo.text).toMatch(/kill -9: payments-1 \(pid \d+\) with [1-9]\d* branch(es)? prepared/)
    expect(demo.text).toMatch(/kill -9: orders \(pid \d+\) with [1-9]\d* branch(es)? prepared/)
    expect(demo.text).toMatch(/refused insufficient-funds: 6\n/)
    expect(demo.text).toMatch(/refused out-of-stock: 6\n/)
    expect(demo.text).toContain('The books balance.')
    expect(code).toBe(0)
  })

  test.skipIf(!existsSync('/proc/self/stat')).each([
    { when: 'while it starts', seen: 'starting NATS', orders: many, folders: 0, code: 130 },
    { when: 'while orders are placed', seen: 'Killing the leading coordinator', orders: many, folders: 3, code: 130 },
    { when: 'when it was kept', seen: 'Left running', orders: placed, folders: 3, code: 0 },
  ])('Ctrl-C $when leaves no process and no folder behind', async ({ seen, orders, folders, code }) => {
    const demo = new Demo('--keep', '--orders', orderFile('many.jsonl', newOrders(orders)))
    await demo.says(seen)
    const found = new Census(demo.pid)
    expect(found.folders.size).toBeGreaterThanOrEqual(folders)
    demo.interrupt()
    const timer = setInterval(() => found.count(), 20)
    expect(await demo.exitCode()).toBe(code)
    clearInterval(timer)
    expect(found.pids.size).toBeGreaterThan(folders)
    await until(() => [...found.pids].every((pid) => !existsSync(`/proc/${pid}`)))
    expect([...found.folders].filter((path) => existsSync(path))).toEqual([])
  })

  test.each([
    { what: 'a line that is no JSON', lines: [newOrder(), 'one apple'], says: 'line 2: this is not JSON' },
    {
      what: 'a line without a price',
      lines: [newOrder(), newOrder(), { ...newOrder(), cents: undefined }],
      says: 'line 3: quantity or cents is not a whole number above 0',
    },
    { what: 'a line that is no order, after an empty one', lines: ['', 'null'], says: 'line 2: orderId' },
    {
      what: 'an order twice',
      lines: [newOrder({ orderId: 'one' }), newOrder({ orderId: 'one' })],
      says: 'order one twice',
    },
    { what: 'no order', lines: [], says: 'has no orders' },
  ])('says what is wrong with a file that has $what', async ({ lines, says }) => {
    const demo = new Demo('--orders', orderFile('bad.jsonl', lines))
    expect(await demo.exitCode()).toBe(2)
    expect(demo.text).toContain(says)
  })
})

test('the audit shares no code with what it audits', () => {
  const read = new Map<string, readonly string[]>()
  const follow = (path: string): void => {
    if (read.has(path)) return
    const imports = importsOf(readFileSync(path, 'utf8'))
    read.set(path, imports)
    for (const specifier of imports) if (specifier.startsWith('.')) follow(join(dirname(path), specifier))
  }
  follow(join(root, 'infra', 'demo', 'audit.ts'))
  const files = [...read.keys()].map((path) => relative(root, path).replaceAll('\\', '/'))
  expect(files.toSorted()).toEqual(['infra/demo/audit-inventory.ts', 'infra/demo/audit.ts'])
  const others = [...read.values()].flat().filter((specifier) => !specifier.startsWith('.'))
  expect(new Set(others)).toEqual(new Set(['node:fs', 'node:util', 'lmdb', 'msgpackr', 'pg']))
})
