import { readFileSync } from 'node:fs'
import {
  CommittedWithHazards,
  clientErrors,
  InDoubt,
  isCommittedWithHazards,
  isInDoubt,
  isTransactionAborted,
  TransactionAborted,
} from '@verdict/client'
import type { TransactionId } from '@verdict/protocol'
import { expect, test } from 'vitest'

const document = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8')
const id = 'main_x' as TransactionId
const reason = { code: 'insufficient-funds', message: 'Ada has nothing.', retryable: false, participant: 'payments' }
const errors = [
  new TransactionAborted(id, reason, true),
  new InDoubt(id, 'nobody answered', { kept: true }),
  new CommittedWithHazards(id, [{ participant: 'payments' as never, kind: 'effects-lost', note: 'restored' }]),
]

test('every error code is documented, with whether trying again can help', () => {
  for (const [code, { retryable }] of Object.entries(clientErrors)) {
    expect(document).toContain(`| \`${code}\` | ${retryable ? 'yes' : 'no'} |`)
  }
  for (const { code } of errors) expect(document).toContain(`| \`${code}\` |`)
})

test('each end of a transaction is known by its code, whichever copy of the package made it', () => {
  const guards = [isTransactionAborted, isInDoubt, isCommittedWithHazards]
  errors.forEach((error, place) => {
    const foreign = Object.assign(new Error(error.message), { code: error.code })
    expect(guards.map((guard) => guard(error))).toEqual(guards.map((_, other) => other === place))
    expect(guards.map((guard) => guard(foreign))).toEqual(guards.map((_, other) => other === place))
  })
  expect(guards.map((guard) => guard({ code: 'in-doubt' }))).toEqual([false, false, false])
})

test('messages say what happened and what to do', () => {
  expect(errors.map(({ message }) => message)).toEqual([
    'Transaction main_x was aborted by payments (insufficient-funds): Ada has nothing.',
    'The outcome of transaction main_x is not known: nobody answered. Run it again under the same id: it takes effect at most once.',
    'Transaction main_x is committed, but not everywhere: payments: effects-lost (restored). Do not run it again; see `verdict txn show` and mend the participant by hand.',
  ])
  expect(new InDoubt(id, 'nobody answered', { kept: false }).message).toContain('verdict.outcome(error.doubt)')
  expect(new InDoubt(id, 'nobody answered', { kept: true, expired: true }).message).toContain('no record is left')
})
