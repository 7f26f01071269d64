import type {
  Decided,
  Digest,
  Epoch,
  Operation,
  OwnerName,
  ParticipantName,
  RecordedHazard,
  TransactionId,
} from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { readDecided, readFound, type Wanted } from '../src/answer.ts'
import { recorded, value } from './stage.ts'

const digest = 'a'.repeat(26) as Digest
const reason = { code: 'budget-spent', message: 'Too late.', retryable: true }
const operations: Operation[][] = [[{ name: 'debit', args: value(1) }]]
const results = [[value('done')]]

function read(answer: Decided['answer'], wanted: Partial<Wanted> = {}) {
  const decided = { type: 'decided', id: 'x' as TransactionId, digest, epoch: 1 as Epoch, answer } as const
  return readDecided(decided, { digest, wait: 'decided', operations: undefined, ...wanted })
}

describe('an answer to a commit', () => {
  test('for another list is none', () => {
    expect(read({ kind: 'aborted', reason }, { digest: 'b'.repeat(26) as Digest })).toBeUndefined()
  })

  test.each([
    ['committed', { kind: 'committed', applied: false, hazards: [] }, {}, 'final'],
    [
      'committed, not applied, when that is waited for',
      { kind: 'committed', applied: false, hazards: [] },
      { wait: 'applied' },
      'partial',
    ],
    [
      'committed and applied, when that is waited for',
      { kind: 'committed', applied: true, hazards: [] },
      { wait: 'applied' },
      'final',
    ],
    ['committed with results', { kind: 'committed', applied: false, hazards: [], results }, { operations }, 'final'],
    [
      'committed without results',
      { kind: 'committed', applied: false, hazards: [], results: 'pending' },
      { operations },
      'partial',
    ],
    [
      'committed and applied without results',
      { kind: 'committed', applied: true, hazards: [], results: 'pending' },
      { operations },
      'final',
    ],
    ['pending', { kind: 'pending' }, {}, 'again'],
    ['refused for now', { kind: 'refused', reason }, {}, 'again'],
    ['refused for good', { kind: 'refused', reason: { ...reason, retryable: false } }, {}, 'final'],
  ] as const)('%s is %4$s', (_, answer, wanted, kind) => {
    expect(read(answer, wanted as Partial<Wanted>)?.kind).toBe(kind)
  })

  test('with hazards is no success while one of them is open; once all are resolved it is, and says what was mended', () => {
    const open = { participant: 'orders' as ParticipantName, kind: 'effects-lost', note: 'gone' } as const
    const resolved = { ...open, resolved: { by: 'alice', as: 'ops' as OwnerName, because: 'mended', atMs: 1 } }
    const committed = (hazards: readonly RecordedHazard[]) => read({ kind: 'committed', applied: true, hazards })
    expect(committed([resolved, open])).toMatchObject({ conclusion: { kind: 'hazards', hazards: [resolved, open] } })
    expect(committed([resolved])).toMatchObject({ conclusion: { kind: 'committed', hazards: [resolved] } })
    const found = (hazards: readonly RecordedHazard[]) =>
      readFound({ ...recorded('committed', { hazards }), id: 'x' as TransactionId }).kind
    expect([found([open]), found([resolved])]).toEqual(['hazards', 'replay'])
  })

  test('is an outcome only when it says committed or aborted', () => {
    const kinds = (
      [
        { kind: 'committed', applied: true, hazards: [] },
        { kind: 'aborted', reason },
        { kind: 'expired' },
        { kind: 'conflict', recorded: digest, outcome: 'committed' },
        { kind: 'refused', reason: { ...reason, retryable: false } },
        { kind: 'committed', applied: true, hazards: [{ participant: 'p' as never, kind: 'effects-lost', note: '' }] },
      ] as const
    ).map((answer) => {
      const reading = read(answer)
      return reading?.kind === 'final' ? reading.conclusion.kind : undefined
    })
    expect(kinds).toEqual(['committed', 'aborted', 'expired', 'conflict', 'unusable', 'hazards'])
  })
})

describe('what a look finds', () => {
  const id = 'x' as TransactionId

  test.each([
    ['a commit', { ...recorded('committed'), id }, 'replay'],
    ['an abort', { ...recorded('aborted'), id }, 'aborted'],
    [
      'a commit with hazards',
      { ...recorded('committed', { hazards: [{ participant: 'p' as never, kind: 'effects-lost', note: '' }] }), id },
      'hazards',
    ],
    ['nothing', { kind: 'none', id }, 'run'],
    ['nothing any more', { kind: 'expired', id }, 'expired'],
  ] as const)('%s: %3$s', (_, found, kind) => {
    expect(readFound(found).kind).toBe(kind)
  })
})
