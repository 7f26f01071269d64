import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Ledger, LedgerReader, type Told } from './ledger.ts'
import { Watch } from './watch.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-ledger-'))
  file = join(folder, 'client.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true }))

function told(transfer: string, atMs = 0): Told {
  return { kind: 'told', transfer, what: 'committed', atMs }
}

test('a ledger goes on after half a line that its killed writer left', async () => {
  await new Ledger(file).write(told('t1'))
  appendFileSync(file, '{"kind":"begun","tra')
  await new Ledger(file).write(told('t2'))
  expect(new LedgerReader(file).read()).toEqual([told('t1'), told('t2')])
})

test('a reader takes each entry once, and half a line when its rest has come', async () => {
  const reader = new LedgerReader(file)
  expect(reader.read()).toEqual([])
  await new Ledger(file).write(told('t1'))
  appendFileSync(file, JSON.stringify(told('t2')))
  expect(reader.read()).toEqual([told('t1')])
  appendFileSync(file, '\n')
  expect(reader.read()).toEqual([told('t2')])
  expect(reader.read()).toEqual([])
})

test('the longest pause is that between two commits, or between one and an end of the time', async () => {
  const ledger = new Ledger(file)
  for (const atMs of [1_000, 1_400, 1_500]) await ledger.write(told(`t${atMs}`, atMs))
  const watch = new Watch([file])
  watch.poll()
  expect(watch.longestPauseMs(900, 1_600)).toBe(400)
  expect(watch.longestPauseMs(900, 3_000)).toBe(1_500)
})
