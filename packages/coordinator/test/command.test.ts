import { expect, test } from 'vitest'
import {
  type Command,
  commandCodec,
  decodeCommand,
  encodeCommand,
  maxSettledIds,
  UnreadableCommandError,
} from '../src/command.ts'
import { newestFormat } from '../src/format.ts'
import { decision, id, owner, p } from './samples.ts'

const resolution = { by: 'alice', as: owner, because: 'mended', atMs: 1 }
const commands: readonly Command[] = [
  { kind: 'decide', decision: decision(id(1), 'committed') },
  { kind: 'decide', decision: { ...decision(id(1), 'aborted'), trace: { traceparent: '00-aa-bb-01' } } },
  { kind: 'settled', ids: [id(1), id(2)] },
  { kind: 'advance', keptEpochs: 360 },
  { kind: 'forget' },
  { kind: 'upgrade', to: 2 },
  { kind: 'hazard', id: id(1), participant: p, hazard: 'effects-lost', note: 'neither branch nor row' },
  { kind: 'resolve', id: id(1), participant: p, resolution },
  { kind: 'release', id: id(1), participant: p, resolution },
]

test.each(commands)('$kind reads back as it was written', (command) => {
  expect(decodeCommand(encodeCommand(command))).toEqual(command)
})

test('a command keeps its bytes while others are encoded', () => {
  const first = encodeCommand({ kind: 'settled', ids: [id(1)] })
  const copy = Uint8Array.from(first)
  for (let number = 0; number < 100; number += 1) encodeCommand({ kind: 'settled', ids: [id(number)] })
  expect(first).toEqual(copy)
})

interface Later {
  readonly kind: 'known' | 'later'
}

/** Of a release that reads formats 1 to 3, in which one kind came with format 2. */
const later = commandCodec<Later>({ known: 1, later: 2 }, 3)

test('a command says the format that it was written in, and a later release reads all up to its own', () => {
  expect(later.encode({ kind: 'known' }, 1)[0]).toBe(1)
  expect(later.encode({ kind: 'known' }, 3)[0]).toBe(3)
  expect([1, 2, 3].map((format) => later.decode(later.encode({ kind: 'known' }, format)).kind)).toEqual(
    Array.from({ length: 3 }, () => 'known'),
  )
  expect(later.decode(later.encode({ kind: 'later' }, 2)).kind).toBe('later')
})

test('nobody writes a kind, or a format, that the group does not have yet', () => {
  expect(() => later.encode({ kind: 'later' }, 1)).toThrow(/Broken invariant/)
  expect(() => later.encode({ kind: 'known' }, 4)).toThrow(/Broken invariant/)
})

test('a kind in a format that it came after stops the replica: somebody broke the rule', () => {
  const bytes = later.encode({ kind: 'later' }, 2)
  bytes[0] = 1
  expect(() => later.decode(bytes)).toThrow(UnreadableCommandError)
})

test('the error says what was met, what is read, and what to do', () => {
  const bytes = encodeCommand({ kind: 'forget' })
  bytes[0] = newestFormat + 1
  expect(() => decodeCommand(bytes)).toThrow(
    `a command of format ${newestFormat + 1}, this replica reads formats up to ${newestFormat}. It applied neither that one nor any ` +
      'after it. Start the newer release here',
  )
})

test('a command of another version stops the replica instead of being guessed', () => {
  const bytes = encodeCommand({ kind: 'forget' })
  bytes[0] = newestFormat + 1
  expect(() => decodeCommand(bytes)).toThrow(UnreadableCommandError)
})

test('a command of an unknown kind stops the replica instead of being skipped', () => {
  const bytes = encodeCommand({ kind: 'forget' })
  bytes.set(Buffer.from('remind'), Buffer.from(bytes).indexOf('forget'))
  expect(() => decodeCommand(bytes)).toThrow(/the unknown kind "remind"/)
})

test('bytes that are no command stop the replica', () => {
  expect(() => decodeCommand(new Uint8Array())).toThrow(UnreadableCommandError)
})

test('the largest settled entry stays near 100 KiB', () => {
  const ids = Array.from({ length: maxSettledIds }, (_, number) => id(number))
  expect(encodeCommand({ kind: 'settled', ids }).length).toBeLessThan(100 * 1024)
})
