import { describe, expect, test } from 'vitest'
import { type Ending, endingFor, type Told } from '../src/ending.ts'
import type { Row } from '../src/resource.ts'
import { digestNumber, tokenOf } from './names.ts'

const digest = digestNumber(1)
const token = tokenOf(1)
const otherDigest = digestNumber(2)
const otherToken = tokenOf(2)

const committed: Told = { kind: 'committed', digest, token }
const aborted: Told = { kind: 'aborted', digest, token }
const discard: Told = { kind: 'discard', digest }
const expired: Told = { kind: 'expired', digest }

const prepared: Row = { state: 'prepared', digest, token, history: 'same' }
const rows = {
  prepared,
  'prepared, other token': { ...prepared, token: otherToken },
  'prepared, other digest': { ...prepared, digest: otherDigest },
  'prepared, history changed': { ...prepared, history: 'changed' },
  'prepared, other digest, history changed': { ...prepared, digest: otherDigest, history: 'changed' },
  committed: { state: 'committed', mode: 'logged', digest, token },
  'committed, other digest': { state: 'committed', mode: 'logged', digest: otherDigest, token },
  'committed, other token': { state: 'committed', mode: 'logged', digest, token: otherToken },
  aborted: { state: 'aborted' },
  'open, or nothing': { state: 'nothing' },
  'under way': { state: 'underway' },
} as const satisfies Record<string, Row>

const finish = (row: keyof typeof rows, ending: 'committed' | 'aborted' | 'discarded'): Ending => {
  const branch: Row = rows[row]
  if (branch.state !== 'prepared') throw new Error('only a prepared branch is finished')
  return { kind: 'finish', branch, ending }
}
const hazard = (kind: Extract<Ending, { kind: 'hazard' }>['hazard']): Ending => ({ kind: 'hazard', hazard: kind })
const acknowledge = (applied: 'committed' | 'aborted'): Ending => ({ kind: 'acknowledge', applied })
const ignore: Ending = { kind: 'ignore' }
const later: Ending = { kind: 'later' }
const quarantine: Ending = { kind: 'quarantine' }

/** Rule R8, row by row; under way is asked again. */
const table: readonly (readonly [keyof typeof rows, { [told in Told['kind']]: Ending }])[] = [
  [
    'prepared',
    {
      committed: finish('prepared', 'committed'),
      aborted: finish('prepared', 'aborted'),
      discard: finish('prepared', 'discarded'),
      expired: finish('prepared', 'discarded'),
    },
  ],
  [
    'prepared, other token',
    {
      committed: hazard('other-branch-prepared'),
      aborted: finish('prepared, other token', 'aborted'),
      discard: finish('prepared, other token', 'discarded'),
      expired: finish('prepared, other token', 'discarded'),
    },
  ],
  [
    'prepared, other digest',
    {
      committed: hazard('other-branch-prepared'),
      aborted: ignore,
      discard: ignore,
      expired: finish('prepared, other digest', 'discarded'),
    },
  ],
  [
    'prepared, history changed',
    {
      committed: finish('prepared, history changed', 'committed'),
      aborted: finish('prepared, history changed', 'aborted'),
      discard: quarantine,
      expired: quarantine,
    },
  ],
  [
    'prepared, other digest, history changed',
    { committed: hazard('other-branch-prepared'), aborted: ignore, discard: ignore, expired: quarantine },
  ],
  [
    'committed',
    {
      committed: acknowledge('committed'),
      aborted: hazard('aborted-met-committed'),
      discard: ignore,
      expired: ignore,
    },
  ],
  [
    'committed, other digest',
    {
      committed: hazard('other-branch-prepared'),
      aborted: hazard('aborted-met-committed'),
      discard: ignore,
      expired: ignore,
    },
  ],
  [
    'committed, other token',
    {
      committed: hazard('other-branch-prepared'),
      aborted: hazard('aborted-met-committed'),
      discard: ignore,
      expired: ignore,
    },
  ],
  [
    'aborted',
    {
      committed: hazard('committed-met-aborted'),
      aborted: acknowledge('aborted'),
      discard: ignore,
      expired: ignore,
    },
  ],
  [
    'open, or nothing',
    { committed: hazard('effects-lost'), aborted: { kind: 'tombstone' }, discard: ignore, expired: ignore },
  ],
  ['under way', { committed: later, aborted: later, discard: later, expired: later }],
]

describe.each(table)('a row that is %s', (row, endings) => {
  test.each([committed, aborted, discard, expired])('and is told $kind', (told) => {
    expect(endingFor(rows[row], told)).toEqual(endings[told.kind])
  })
})

test('the table names every row', () => {
  expect(table.map(([row]) => row)).toEqual(Object.keys(rows))
})

test('an aborted record that knows no token ends a branch of its digest', () => {
  expect(endingFor(prepared, { kind: 'aborted', digest, token: undefined })).toEqual(finish('prepared', 'aborted'))
})

test('committed without a token is never taken for a branch here', () => {
  expect(endingFor(prepared, { kind: 'committed', digest, token: undefined })).toEqual(hazard('other-branch-prepared'))
})
