import { encodePacket, type Message, operationsHash, ownerName, sealList } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import {
  calledList,
  id,
  idOf,
  instanceOf,
  me,
  nonceOf,
  oneShotList,
  other,
  owner,
  payloadOf,
  tokenOf,
} from './names.ts'
import { inbox, of, Stage, writing } from './stage.ts'

const call: Message = {
  type: 'call',
  id,
  nonce: nonceOf(1),
  n: 1,
  operation: 'write',
  args: payloadOf({ value: 'a' }),
  leftMs: 1_000,
}
const stranger = ownerName('stranger')
const first = of.firstCall(me, owner)
const own = (stage: Stage): string => of.call(me, stage.instance(), owner)

async function rejected(send: (stage: Stage) => void): Promise<Stage> {
  const stage = await Stage.set()
  send(stage)
  await stage.settle()
  expect(stage.servings[0]?.counters.rejected).toBe(1)
  expect(stage.store.log.filter((method) => method !== 'inDoubt')).toEqual([])
  expect(stage.words).toEqual([])
  return stage
}

describe('what a client may not send is answered with a failure on its own inbox', () => {
  test.each<[string, (stage: Stage) => void]>([
    [
      'a call for a transaction of somebody else',
      (stage) => stage.send(first, { ...call, id: idOf(1, stranger) }, inbox),
    ],
    ['a commit', (stage) => stage.send(first, { type: 'hello' }, inbox)],
    ['a first call to one instance', (stage) => stage.send(own(stage), call, inbox)],
    ['a later call to any instance', (stage) => stage.send(first, { ...call, n: 2, token: tokenOf(1) }, inbox)],
  ])('%s', async (_, send) => {
    const stage = await rejected(send)
    expect(stage.answers).toMatchObject([{ request: 1, message: { type: 'failure', code: 'malformed-message' } }])
  })

  test('a message of a later version', async () => {
    const bytes = encodePacket({ request: 5, message: call })
    bytes[0] = 2
    const stage = await rejected((on) => on.sendBytes(first, bytes, inbox))
    expect(stage.answers).toMatchObject([{ request: 5, message: { type: 'failure', code: 'unsupported-version' } }])
  })
})

describe('what cannot be answered is counted and dropped', () => {
  test.each<[string, (stage: Stage) => void]>([
    [
      'a call that wants its answer in the inbox of somebody else',
      (stage) => stage.send(of.firstCall(me, stranger), { ...call, id: idOf(1, stranger) }, inbox),
    ],
    ['a call without an inbox', (stage) => stage.send(first, call)],
    ['noise', (stage) => stage.sendBytes(first, new Uint8Array([1, 2, 3]), inbox)],
    ['nothing at all', (stage) => stage.sendBytes(first, new Uint8Array(), inbox)],
    [
      'a damaged message',
      (stage) => {
        const bytes = encodePacket({ request: 5, message: call })
        bytes[20] = (bytes[20] ?? 0) ^ 1
        stage.sendBytes(first, bytes, inbox)
      },
    ],
    [
      'a release of a transaction of somebody else',
      (stage) => stage.send(own(stage), { type: 'release', id: idOf(1, stranger), token: tokenOf(1) }),
    ],
    ['a call from a group', (stage) => stage.control({ ...call } as never, stage.instance())],
    [
      'a prepare whose list does not name the participant',
      (stage) => {
        stage.prepare(
          sealList(
            [other, ownerName('stock')].map((name) => ({
              kind: 'called',
              participant: name as typeof other,
              instance: instanceOf(1),
              token: tokenOf(1),
              calls: 1,
            })),
          ),
        )
      },
    ],
    [
      'a prepare with operations that the list does not bind',
      (stage) => stage.prepare(oneShotList([writing('a')]), { operations: [writing('b')] }),
    ],
    [
      "a prepare with another participant's operations",
      (stage) => {
        const operations = [writing('b')]
        const list = sealList([
          { kind: 'oneShot', participant: me, operations: operationsHash([writing('a')]) },
          { kind: 'oneShot', participant: other, operations: operationsHash(operations) },
        ])
        stage.prepare(list, { operations })
      },
    ],
    [
      'a prepare of a called branch with operations',
      (stage) => stage.prepare(calledList(instanceOf(1), tokenOf(1), 1), { operations: [writing('b')] }),
    ],
  ])('%s', async (_, send) => {
    const stage = await rejected(send)
    expect(stage.answers).toEqual([])
  })
})

test('whatever came before, the next good call is served', async () => {
  const stage = await rejected((on) => on.sendBytes(first, new Uint8Array([255, 0]), inbox))
  await stage.opened()
})
