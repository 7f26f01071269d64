import { type Epoch, groupName, makeId, makeIncarnation, ownerName, participantName } from '@verdict/protocol'
import { expect, test } from 'vitest'
import { makeGid, readGid } from '../src/gid.ts'
import { historyMark } from '../src/history.ts'
import { makeNote } from './place.ts'

const payments = participantName('payments')
const history = historyMark('7711787403769401507', '00000001')
const { id, digest, token } = makeNote()

test('a name carries id, digest, token and history there and back', () => {
  const gid = makeGid(payments, { id, digest, token, history })
  expect(gid).toMatch(/^[a-z0-9_-]+$/)
  expect(readGid(gid, payments)).toEqual({ id, digest, token, history })
})

test('the longest names stay below the 200 bytes that PostgreSQL refuses', () => {
  const parts = {
    group: groupName('g'.repeat(14)),
    incarnation: makeIncarnation(Buffer.alloc(8, 255)),
    epoch: 0xffffffff as Epoch,
    owner: ownerName('o-'.repeat(12)),
    mark: 'kept',
  } as const
  const longest = { id: makeId(parts, Buffer.alloc(12, 255)), digest, token, history }
  const participant = participantName('p'.repeat(30))
  const gid = makeGid(participant, longest)
  expect(gid.length).toBeLessThan(200)
  expect(readGid(gid, participant)).toEqual(longest)
})

test('names of others are not read', () => {
  const gid = makeGid(payments, { id, digest, token, history })
  const other = participantName('payment') // the beginning of another one's name
  expect(readGid(gid, other)).toBeUndefined()
  const foreign = ['', 'verdict_payments_', 'django_1', gid.slice(1), gid.slice(0, -1), `${gid}_x`]
  for (const name of foreign) expect(readGid(name, payments)).toBeUndefined()
})

test('what could leave the quotes of a statement makes no name', () => {
  const hostile = `${id}'; drop table account; --` as typeof id
  expect(() => makeGid(payments, { id: hostile, digest, token, history })).toThrow('broken invariant')
})

test('another server, and another timeline of the same server, is another history', () => {
  const marks = [
    history,
    historyMark('7711787403769401508', '00000001'),
    historyMark('7711787403769401507', '00000002'),
  ]
  expect(new Set(marks).size).toBe(3)
})
