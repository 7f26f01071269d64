import {
  type Answer,
  answerSubject,
  decodePacket,
  type Epoch,
  encodePacket,
  type GroupId,
  groupId,
  groupName,
  makeIncarnation,
  namespace,
  ownerName,
  transactionId,
} from '@verdict/protocol'
import { Simulation } from '@verdict/runtime/simulated'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Answered, Asker } from '../src/asker.ts'

const group: GroupId = groupId(groupName('main'), makeIncarnation(new Uint8Array(8)))
const welcome: Answer = {
  type: 'welcome',
  group,
  replicas: ['n1'],
  epoch: 1 as Epoch,
  horizon: 0 as Epoch,
  retentionMs: 3_600_000,
}
const looked: Answer = {
  type: 'looked',
  epoch: 1 as Epoch,
  found: [{ kind: 'none', id: transactionId(`${group}_aaaaaaa_checkout_k${'a'.repeat(20)}`) }],
}

describe('the asker', () => {
  let simulation: Simulation
  let requests: number
  /** What each request is answered with, by whom; the last answer stays. */
  let script: ({ readonly by: string; readonly message: Answer } | undefined)[]

  beforeEach(() => {
    simulation = new Simulation({ seed: 1 })
    requests = 0
    const serve = simulation.process('replica')
    serve.start()
    serve.world.bus.subscribe('verdict.v1.hello.main.*', ({ payload, replyTo }) => {
      const answer = script[Math.min(requests, script.length - 1)]
      requests += 1
      if (answer === undefined || replyTo === undefined) return
      const subject = answerSubject(replyTo, { kind: 'replica', group, replica: answer.by })
      serve.world.bus.publish(
        subject,
        encodePacket({ request: decodePacket(payload).request, message: answer.message }),
      )
    })
  })

  async function ask(): Promise<Answered<'welcome'> | undefined | Error> {
    let result: { readonly answered: Answered<'welcome'> | undefined | Error } | undefined
    const main = simulation.process('tool', async (world) => {
      const asker = new Asker(world, namespace(), ownerName('cli'))
      const question = {
        subject: asker.subjects.hello(groupName('main'), asker.owner),
        message: { type: 'hello' },
        answer: 'welcome',
        from: ({ replica }: { replica: string }) => replica === 'n1',
        timeoutMs: 2000,
      } as const
      result = { answered: await asker.ask(question).catch((error: Error) => error) }
    })
    main.start()
    await simulation.runUntil(() => result !== undefined, { withinMs: 5000 })
    return result?.answered
  }

  test('asks again while nobody answers', async () => {
    script = [undefined, undefined, { by: 'n1', message: welcome }]
    expect(await ask()).toMatchObject({ by: { replica: 'n1' }, message: { replicas: ['n1'] } })
    expect(requests).toBe(3)
  })

  test('gives up when its time is over', async () => {
    script = [undefined]
    expect(await ask()).toBeUndefined()
    expect(simulation.nowMs).toBeGreaterThanOrEqual(2000)
  })

  test('does not believe a replica that it did not ask', async () => {
    script = [{ by: 'n9', message: welcome }]
    expect(await ask()).toBeUndefined()
  })

  test('does not take another answer for the one that it asked for', async () => {
    script = [
      { by: 'n1', message: looked },
      { by: 'n1', message: welcome },
    ]
    expect(await ask()).toMatchObject({ message: { type: 'welcome' } })
  })

  test('passes on that its question could not be read', async () => {
    script = [{ by: 'n1', message: { type: 'failure', code: 'malformed-message', message: 'No such thing.' } }]
    expect(await ask()).toMatchObject({ exitCode: 1, message: 'n1 answered: No such thing.' })
  })
})
