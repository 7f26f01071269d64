import type { LogIndex } from '@verdict/raft'
import { Packr } from 'msgpackr'
import { expect, test } from 'vitest'
import { encodeCommand } from '../src/command.ts'
import { decisions } from '../src/decisions.ts'
import { formatOf, newestFormat, raiseFormat, UnreadableStateError } from '../src/format.ts'
import { recordOf } from '../src/records.ts'
import { MemorySpace } from './memory-space.ts'
import { decision, id } from './samples.ts'

const packr = new Packr({ useRecords: false })

function apply(space: MemorySpace, ...commands: Parameters<typeof encodeCommand>[0][]): void {
  for (const [place, command] of commands.entries()) {
    decisions.apply(space, (place + 1) as LogIndex, encodeCommand(command))
  }
}

test('a group has format 1 until it is raised, and never goes back', () => {
  const space = new MemorySpace()
  expect(formatOf(space)).toBe(1)
  raiseFormat(space, 3, 4)
  expect(formatOf(space)).toBe(3)
  raiseFormat(space, 2, 4)
  expect(formatOf(space)).toBe(3)
})

test('a replica that cannot follow stops at the entry that raises the format, before anything of it', () => {
  const space = new MemorySpace()
  apply(space, { kind: 'decide', decision: decision(id(1), 'committed') })
  const hash = space.hash()
  expect(() => apply(space, { kind: 'upgrade', to: newestFormat + 1 })).toThrow(UnreadableStateError)
  expect(space.hash()).toBe(hash)
})

test('raising it to what it is changes nothing', () => {
  const space = new MemorySpace()
  apply(space, { kind: 'upgrade', to: 1 })
  expect(space.hash()).toBe(new MemorySpace().hash())
})

test('a space of a later format is not begun with', () => {
  const space = new MemorySpace()
  expect(() => decisions.check?.(space)).not.toThrow()
  raiseFormat(space, newestFormat, newestFormat + 1)
  expect(() => decisions.check?.(space)).not.toThrow()
  raiseFormat(space, newestFormat + 1, newestFormat + 1)
  expect(() => decisions.check?.(space)).toThrow(
    `The group's state has format ${newestFormat + 1}, this replica reads formats up to ${newestFormat}.`,
  )
})

test('a record of a later form is not told, and nothing is applied to it', () => {
  const space = new MemorySpace()
  apply(space, { kind: 'decide', decision: decision(id(1), 'committed') })
  const [[key, value] = ['', new Uint8Array()]] = space.list('record/', 1)
  const record = packr.unpack(value) as object
  space.put(key, packr.pack({ ...record, form: newestFormat + 1 }))
  const hash = space.hash()
  expect(() => recordOf(space, id(1))).toThrow(UnreadableStateError)
  expect(() => apply(space, { kind: 'settled', ids: [id(1)] })).toThrow(UnreadableStateError)
  expect(space.hash()).toBe(hash)
})

test('fields of a record that nobody knows stay in it: whoever put them there depends on them', () => {
  const space = new MemorySpace()
  apply(space, { kind: 'decide', decision: { ...decision(id(1), 'committed'), seenBy: 'x' } as never })
  apply(space, { kind: 'settled', ids: [id(1)] })
  expect(recordOf(space, id(1))).toMatchObject({ settled: true, seenBy: 'x' })
})
