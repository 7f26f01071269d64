import { type Call, decodePacket, encodePacket, type InboxToken, type Message, makeToken } from '@verdict/protocol'
import { connectNats } from '@verdict/runtime'
import { expect, test } from 'vitest'
import { startNats } from '../../../infra/nats.ts'
import { defineParticipant } from '../src/index.ts'
import { MemoryStore } from './memory-store.ts'
import { id, me, nonceOf, owner, payloadOf } from './names.ts'
import { fields } from './schema.ts'
import { of } from './stage.ts'

test('served over NATS it answers calls, and closes its connection when it is disposed of', async () => {
  await using nats = await startNats()
  await using client = await connectNats({ servers: nats.url, name: 'client' })
  const store = new MemoryStore()
  const payments = defineParticipant({
    name: me,
    resource: store.resource(),
    operations: { write: { input: fields({ value: 'string' }), run: ({ value }, { write }) => write(value) } },
  })
  const token = makeToken<InboxToken>(new Uint8Array(12).fill(3))
  const answered = Promise.withResolvers<Message>()
  client.subscribe(of.answers(owner, token), ({ payload }) => answered.resolve(decodePacket(payload).message))
  await client.flush()
  const call: Call = {
    type: 'call',
    id,
    nonce: nonceOf(1),
    n: 1,
    operation: 'write',
    args: payloadOf({ value: 'a' }),
    leftMs: 5_000,
  }
  const send = (onNoResponders: () => void): void => {
    const packet = encodePacket({ request: 1, message: call })
    client.publish(of.firstCall(me, owner), packet, { replyTo: of.inbox(owner, token), onNoResponders })
  }
  {
    await using serving = await payments.serve({ servers: nats.url, settings: { drainMs: 10 } })
    send(() => answered.reject(new Error('nobody listens')))
    expect(await answered.promise).toMatchObject({
      type: 'result',
      instance: serving.instance,
      result: { kind: 'value' },
    })
  }
  const nobody = Promise.withResolvers<void>()
  send(nobody.resolve)
  await nobody.promise
  expect(store.log.at(-1)).toBe('stop')
})
