import { expect, test } from 'vitest'
import { type Command, decodeCommand, encodeCommand, maxSettledIds, UnreadableCommandError } from '../src/command.ts'
import { decision, id, owner, p } from './samples.ts'

const resolution = { by: 'alice', as: owner, because: 'mended', atMs: 1 }
const commands: readonly Command[] = [
  { kind: 'decide', decision: decision(id(1), 'committed') },
  { kind: 'decide', decision: { ...decision(id(1), 'aborted'), trace: { traceparent: '00-aa-bb-01' } } },
  { kind: 'settled', ids: [id(1), id(2)] },
  { kind: 'advance', keptEpochs: 360 },
  { kind: 'forget' },
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

test('a command of another version stops the replica instead of being guessed', () => {
  const bytes = encodeCommand({ kind: 'forget' })
  bytes[0] = 2
  expect(() => decodeCommand(bytes)).toThrow(UnreadableCommandError)
})

test('a command of an unknown kind stops the replica instead of being skipped', () => {
  const bytes = encodeCommand({ kind: 'remember' } as unknown as Command)
  expect(() => decodeCommand(bytes)).toThrow(UnreadableCommandError)
})

test('bytes that are no command stop the replica', () => {
  expect(() => decodeCommand(new Uint8Array())).toThrow(UnreadableCommandError)
})

test('the largest settled entry stays near 100 KiB', () => {
  const ids = Array.from({ length: maxSettledIds }, (_, number) => id(number))
  expect(encodeCommand({ kind: 'settled', ids }).length).toBeLessThan(100 * 1024)
})
