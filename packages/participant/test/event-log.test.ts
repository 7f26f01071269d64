import { expect, test } from 'vitest'
import { logEvents } from '../src/event-log.ts'
import type { ParticipantEvent } from '../src/index.ts'
import { group, idOf } from './names.ts'

interface Line {
  readonly level: string
  readonly fields: Record<string, unknown>
  readonly message: string
}

function recorded(): { readonly write: (event: ParticipantEvent) => void; readonly lines: Line[] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message })
  return { write: logEvents({ info: at('info'), warn: at('warn'), error: at('error') }), lines }
}

test('what each call and each transaction does is not logged', () => {
  const { write, lines } = recorded()
  write({ kind: 'read-only', id: idOf(1) })
  write({ kind: 'refused', id: idOf(1), reason: { code: 'out-of-stock', message: 'none left', retryable: false } })
  write({ kind: 'finished', id: idOf(1), outcome: 'committed' })
  expect(lines).toEqual([])
})

test('each hazard is an error of its own: somebody has to look', () => {
  const { write, lines } = recorded()
  for (const n of [1, 2, 3]) write({ kind: 'hazard', id: idOf(n), hazard: 'effects-lost' })
  expect(lines.map(({ level, fields }) => [level, fields['transaction']])).toEqual(
    [1, 2, 3].map((n) => ['error', idOf(n)]),
  )
})

test('what is tried for ever is told ever more rarely', () => {
  const { write, lines } = recorded()
  const error = new Error('the database is away')
  for (let attempt = 1; attempt <= 100; attempt++) write({ kind: 'retrying', id: idOf(1), attempt, error })
  expect(lines.map(({ fields }) => fields['attempt'])).toEqual([1, 2, 4, 8, 16, 32, 64])
})

test('a doubt that lasts is told ever more rarely, and a new one at once', () => {
  const { write, lines } = recorded()
  for (let asked = 0; asked < 100; asked++) write({ kind: 'in-doubt', group, ids: [idOf(1)] })
  expect(lines).toHaveLength(7)
  write({ kind: 'in-doubt', group, ids: [idOf(1), idOf(2)] })
  expect(lines.at(-1)?.fields).toMatchObject({ transactions: [idOf(2)], count: 1 })
})

test('a branch whose outcome came is a new one when it is in doubt again', () => {
  const { write, lines } = recorded()
  for (let asked = 0; asked < 3; asked++) write({ kind: 'in-doubt', group, ids: [idOf(1)] })
  write({ kind: 'finished', id: idOf(1), outcome: 'aborted' })
  write({ kind: 'in-doubt', group, ids: [idOf(1)] })
  expect(lines).toHaveLength(3)
})

test('a flood of failures and of strange messages writes few lines, each kind for itself', () => {
  const { write, lines } = recorded()
  for (let n = 0; n < 500; n++) {
    write({ kind: 'failed', id: idOf(1), what: 'payments.charge', error: new TypeError('no such account') })
    write({ kind: 'rejected', subject: 'verdict.v1.call.payments', why: 'damaged' })
  }
  write({ kind: 'failed', what: 'payments.refund', error: new TypeError('no such account') })
  expect(lines.filter(({ message }) => message.includes('charge'))).toHaveLength(9)
  expect(lines.filter(({ message }) => message.startsWith('dropped'))).toHaveLength(9)
  expect(lines.at(-1)).toMatchObject({ level: 'error', message: 'failed: payments.refund' })
})

test('what is stuck is an error: somebody has to look', () => {
  const { write, lines } = recorded()
  write({ kind: 'trouble', id: idOf(1), trouble: 'failing', note: 'the disk is full' })
  expect(lines).toMatchObject([{ level: 'error', fields: { transaction: idOf(1), trouble: 'failing' } }])
})
