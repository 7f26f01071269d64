import { digestOf, type Operation } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { advanceBranch, branchWakeAtMs, newBranch } from '../src/branch.ts'
import type { Branch, BranchEvent } from '../src/branch-state.ts'
import { defaultSettings } from '../src/settings.ts'
import { calledList, id, instanceOf, nonceOf, payloadOf, tokenOf } from './names.ts'

const operation: Operation = { name: 'debit', args: payloadOf({ cents: 1 }) }
const token = tokenOf(1)
const list = calledList(instanceOf(1), token, 1)
const sealed = { list, digest: digestOf(id, list) }
const leftMs = 10_000
const yearMs = 365 * 24 * 60 * 60_000

const ran: BranchEvent = { kind: 'ran', n: 1, result: { kind: 'value', value: payloadOf(1) } }
const asked = { kind: 'prepare-asked', sealed, listed: list[0], named: true } as BranchEvent
const ended = (kind: 'prepared' | 'busy'): BranchEvent => ({ kind: 'prepare-ended', result: { kind } })

/** A branch to which this has happened. */
function branchAfter(...events: readonly BranchEvent[]): Branch {
  const call = { n: 1, operation, leftMs, asker: { inbox: 'an inbox', request: 1 } }
  const { branch } = newBranch({ id, token, nonce: nonceOf(1), trace: undefined }, call, 0, defaultSettings)
  for (const event of events) advanceBranch(branch, event, 0, defaultSettings)
  return branch
}

const wakeAfterAYear = (branch: Branch) => advanceBranch(branch, { kind: 'woke' }, yearMs, defaultSettings)

describe('two clocks', () => {
  test.each([
    ['opening', branchAfter()],
    ['open', branchAfter({ kind: 'opened' }, ran)],
  ] as const)('a branch that is %s is ended when its time is over', (stage, branch) => {
    expect(branch.stage).toBe(stage)
    expect(branchWakeAtMs(branch, defaultSettings)).toBeLessThanOrEqual(leftMs + defaultSettings.graceMs)
    wakeAfterAYear(branch)
    expect(branch.stage).toBe('over')
  })

  test.each([
    ['preparing', branchAfter({ kind: 'opened' }, ran, asked)],
    ['prepared', branchAfter({ kind: 'opened' }, ran, asked, ended('prepared'))],
  ] as const)('one that is %s is ended by no clock', (stage, branch) => {
    expect(branch.stage).toBe(stage)
    expect(branchWakeAtMs(branch, defaultSettings)).toBeUndefined()
    expect(wakeAfterAYear(branch)).toEqual([])
    expect(branch.stage).toBe(stage)
  })

  test('one that may be prepared is looked at, and ended by no clock either', () => {
    const branch = branchAfter({ kind: 'opened' }, ran, asked, ended('busy'))
    expect(wakeAfterAYear(branch)).toEqual([{ kind: 'look' }])
    expect(branch.stage).toBe('uncertain')
  })
})
