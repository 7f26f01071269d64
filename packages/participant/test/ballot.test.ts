import { describe, expect, test } from 'vitest'
import { type Ballot, ballotFor, busyNothing, busyUnderway, refusedBallot, unknownBranch } from '../src/ballot.ts'
import type { Row } from '../src/resource.ts'
import { digestNumber, payloadOf, tokenOf } from './names.ts'

const digest = digestNumber(1)
const otherDigest = digestNumber(2)
const token = tokenOf(1)
const results = [payloadOf(1)]

describe('the vote on what the resource shows', () => {
  test.each<{ row: Row; ballot: Ballot }>([
    { row: { state: 'prepared', digest, token, history: 'same' }, ballot: { kind: 'prepared', token } },
    {
      row: { state: 'prepared', digest, token, history: 'same', results },
      ballot: { kind: 'prepared', token, results },
    },
    { row: { state: 'committed', mode: 'logged', digest, token }, ballot: busyUnderway },
    { row: { state: 'underway' }, ballot: busyUnderway },
  ])('$row.state, asked under its own list: $ballot.kind', ({ row, ballot }) => {
    expect(ballotFor(row, digest, busyNothing)).toEqual(ballot)
  })

  test.each<Row>([
    { state: 'prepared', digest: otherDigest, token, history: 'same' },
    { state: 'committed', mode: 'logged', digest: otherDigest, token },
  ])('$state under another list is a conflict', (row) => {
    expect(ballotFor(row, digest, busyNothing)).toMatchObject({ kind: 'refused', reason: { code: 'conflict' } })
  })

  test('what was aborted is refused', () => {
    expect(ballotFor({ state: 'aborted' }, digest, busyNothing)).toMatchObject({ kind: 'refused' })
  })

  test.each([busyNothing, refusedBallot(unknownBranch)])(
    'nothing there leaves it to who was named: $kind',
    (otherwise) => {
      expect(ballotFor({ state: 'nothing' }, digest, otherwise)).toEqual(otherwise)
    },
  )
})
