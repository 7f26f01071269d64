import type { DepartingMessage } from '@verdict/runtime/simulated'
import { expect, test } from 'vitest'
import type { ServiceContract } from './service.ts'
import { Stage } from './stage.ts'
import { type Sent, under } from './wire.ts'

/** A message as the next version of the protocol might begin. */
function inNextVersion<M extends { readonly payload: Uint8Array }>(sent: M): M {
  const payload = Uint8Array.from(sent.payload)
  payload[0] = 2
  return { ...sent, payload }
}

/** What all subjects have in common: the word for what is said there. */
function wordOf({ subject }: { readonly subject: string }): string {
  return subject.split('.')[2] ?? ''
}

/** A stage on which something was said on each subject. */
async function talkative(): Promise<Stage> {
  const stage = await Stage.set()
  const transfer = stage.client.transfer('alpha', 'beta')
  await stage.until(() => transfer.done)
  const lone = stage.client.begin((verdict) =>
    verdict.submit([verdict.call<ServiceContract>('alpha').add({ key: 'b', amount: 1 })]),
  )
  const look = stage.client.begin((verdict) => verdict.look(transfer.id))
  await stage.until(() => lone.done && look.done)
  await stage.rest()
  return stage
}

test('a packet of a later version is answered as such where an answer is due, and changes nothing on any subject', async () => {
  const stage = await talkative()
  const { id, leader } = stage.group
  const { lastIndex } = stage.group.status()
  const said = [...stage.wire.sent]
  const words = ['hello', 'call', 'group', 'look', 'ctl', 'vote', 'news', 'ans']
  expect(new Set(said.map(wordOf))).toEqual(new Set(words))

  const requests = said.filter((sent) => ['hello', 'call', 'group', 'look'].includes(wordOf(sent)))
  const tools = [under.status(id, leader.name, 'teller' as never), under.operate(id, 'teller' as never)]
  for (const sent of said) stage.wire.again(inNextVersion(sent))
  for (const subject of tools) stage.wire.again(inNextVersion(stage.wire.first('look')), subject)
  await stage.pass(1_000)

  const answers = stage.wire.sent.slice(said.length).filter((sent: Sent) => wordOf(sent) === 'ans')
  expect(answers).toHaveLength(requests.length + tools.length)
  for (const { message } of answers) {
    expect(message).toMatchObject({ type: 'failure', code: 'unsupported-version' })
    expect('message' in message && message.message).toContain('of version 2 arrived, this program speaks version 1')
  }
  expect(stage.group.status().lastIndex).toBe(lastIndex)

  const after = stage.client.transfer('alpha', 'beta')
  await stage.until(() => after.done)
  expect(after.told).toBe('committed')
  await stage.rest()
  expect(stage.balances()).toEqual({ alpha: 80, beta: 120 })
})

test("a later version of the replicas' own messages is dropped: whoever speaks it is as good as silent", async () => {
  const stage = await Stage.set()
  const [speaker, other] = stage.group.replicas.filter((replica) => replica !== stage.group.leader)
  const hand = stage.simulation.process('later release')
  hand.start()
  const end = stage.simulation.network.intercept((message: DepartingMessage) => {
    if (message.from !== speaker?.name || wordOf(message) !== 'raft') return 'pass'
    const { subject, payload } = inNextVersion(message)
    hand.world.bus.publish(subject, payload)
    return 'lose'
  })
  other?.crash()
  const transfer = stage.client.transfer('alpha', 'beta', { budgetMs: 60_000 })
  await stage.pass(5_000)
  expect(transfer.done).toBe(false)
  end()
  await stage.until(() => transfer.done)
  expect(transfer.told).toBe('committed')
  expect(stage.group.failures).toEqual(new Map())
  await stage.rest()
})
