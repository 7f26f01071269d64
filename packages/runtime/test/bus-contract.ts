import { type Bus, PayloadTooLargeError } from '@verdict/runtime'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

/** A network that buses can be opened on, for one test. */
export interface BusGround extends AsyncDisposable {
  open(name: string): Promise<Bus>
  /** Waits while messages travel. @throws Error when the condition stays false */
  until(condition: () => boolean): Promise<void>
  /** Waits for a promise of a bus. */
  settled(promise: Promise<unknown>): Promise<void>
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)

/** What every bus owes its users: the simulation proves something about the real world only if both keep this. */
export function describeBus(name: string, prepare: () => Promise<BusGround>): void {
  describe(name, () => {
    let ground: BusGround
    let alice: Bus
    let bob: Bus

    beforeEach(async () => {
      ground = await prepare()
      alice = await ground.open('alice')
      bob = await ground.open('bob')
    })

    afterEach(() => ground[Symbol.asyncDispose]())

    /** Collects what `bus` hears, as `subject text`. */
    async function collect(bus: Bus, filter: string, queue?: string): Promise<string[]> {
      const heard: string[] = []
      bus.subscribe(filter, ({ subject, payload }) => heard.push(`${subject} ${text(payload)}`), queue ? { queue } : {})
      await ground.settled(bus.flush())
      return heard
    }

    /** Waits until all that alice published so far has arrived at bob. */
    async function caughtUp(): Promise<void> {
      let arrived = false
      const subscription = bob.subscribe('marker', () => {
        arrived = true
      })
      await ground.settled(bob.flush())
      alice.publish('marker', bytes(''))
      await ground.until(() => arrived)
      subscription.unsubscribe()
    }

    test('carries subject, payload and reply subject', async () => {
      const heard: unknown[] = []
      bob.subscribe('a.b', (message) => heard.push({ ...message, payload: text(message.payload) }))
      await ground.settled(bob.flush())
      alice.publish('a.b', bytes('with'), { replyTo: 'inbox.alice' })
      alice.publish('a.b', bytes('without'))
      alice.publish('a.b', bytes(''))
      await ground.until(() => heard.length === 3)
      expect(heard).toHaveLength(3)
      expect(heard).toEqual(
        expect.arrayContaining([
          { subject: 'a.b', payload: 'with', replyTo: 'inbox.alice' },
          { subject: 'a.b', payload: 'without', replyTo: undefined },
          { subject: 'a.b', payload: '', replyTo: undefined },
        ]),
      )
    })

    test('matches wildcards by tokens, and a subscriber hears itself', async () => {
      const [one, rest, other] = [
        await collect(alice, 'a.*.c'),
        await collect(alice, 'a.>'),
        await collect(alice, 'b.*'),
      ]
      for (const subject of ['a', 'a.b', 'a.b.c', 'a.b.c.d']) alice.publish(subject, bytes('x'))
      await ground.until(() => rest.length === 3)
      await caughtUp()
      expect({ one, rest: rest.toSorted(), other }).toEqual({
        one: ['a.b.c x'],
        rest: ['a.b x', 'a.b.c x', 'a.b.c.d x'],
        other: [],
      })
    })

    test('a new subscription hears what nobody heard before', async () => {
      const told: string[] = []
      alice.publish('late', bytes('1'), { replyTo: 'inbox.alice', onNoResponders: () => told.push('nobody') })
      await ground.until(() => told.length === 1)
      const heard = await collect(bob, 'late')
      alice.publish('late', bytes('2'), { replyTo: 'inbox.alice', onNoResponders: () => told.push('nobody') })
      await ground.until(() => heard.length === 1)
      await caughtUp()
      expect({ told, heard }).toEqual({ told: ['nobody'], heard: ['late 2'] })
    })

    test('keeps the order of messages for one subject', async () => {
      const heard = await collect(bob, 'count')
      const count = 1000
      for (let number = 0; number < count; number++) alice.publish('count', bytes(String(number)))
      await ground.until(() => heard.length === count)
      expect(heard).toEqual(Array.from({ length: count }, (_, number) => `count ${number}`))
    })

    test('gives each message to one member of a queue group, and to all who are in none', async () => {
      const group = [await collect(alice, 'work', 'workers'), await collect(bob, 'work', 'workers')]
      const [others, alone] = [await collect(bob, 'work', 'others'), await collect(bob, 'work')]
      for (let number = 0; number < 50; number++) {
        alice.publish('work', bytes(String(number)), { replyTo: `inbox.${number}` }) // so that none travel together
      }
      await ground.until(() => group.flat().length === 50 && others.length === 50 && alone.length === 50)
      expect(new Set(group.flat())).toEqual(new Set(alone))
      expect(group.map((heard) => heard.length > 0)).toEqual([true, true])
    })

    test('tells who asked, and for exactly those messages, that nobody listens', async () => {
      const inbox = await collect(alice, 'inbox.>')
      const listening = await collect(bob, 'somebody')
      const told: string[] = []
      const ask = (subject: string, number: number): void =>
        alice.publish(subject, bytes(String(number)), {
          replyTo: 'inbox.alice',
          onNoResponders: () => told.push(`${subject} ${number}`),
        })
      for (const number of [1, 2]) {
        for (const subject of ['nobody.a', 'somebody', 'nobody.b']) ask(subject, number)
      }
      alice.publish('nobody.a', bytes('does not ask'), { replyTo: 'inbox.alice' })
      await ground.until(() => told.length >= 4)
      await caughtUp()
      expect(told.toSorted()).toEqual(['nobody.a 1', 'nobody.a 2', 'nobody.b 1', 'nobody.b 2'])
      expect(listening).toEqual(['somebody 1', 'somebody 2'])
      expect(inbox).toEqual([])
    })

    test('whoever answers sees the plain reply subject', async () => {
      const answers = await collect(alice, 'inbox.alice.>')
      bob.subscribe('question', ({ payload, replyTo }) => {
        if (replyTo !== undefined) bob.publish(`${replyTo}.p.bob`, payload)
      })
      await ground.settled(bob.flush())
      const replyTo = 'inbox.alice.1'
      alice.publish('question', bytes('asks'), { replyTo, onNoResponders: () => expect.unreachable() })
      alice.publish('question', bytes('does not'), { replyTo })
      await ground.until(() => answers.length === 2)
      expect(answers.toSorted()).toEqual(['inbox.alice.1.p.bob asks', 'inbox.alice.1.p.bob does not'])
    })

    test('delivers nothing after unsubscribe, not even what arrived together', async () => {
      const heard: string[] = []
      const subscription = bob.subscribe('a', ({ payload }) => {
        heard.push(text(payload))
        subscription.unsubscribe()
        subscription.unsubscribe()
      })
      await ground.settled(bob.flush())
      for (const word of ['first', 'second']) alice.publish('a', bytes(word))
      await caughtUp()
      expect(heard).toEqual(['first'])
    })

    test('carries the largest payload and refuses a larger one', async () => {
      const sizes: number[] = []
      bob.subscribe('a', ({ payload }) => sizes.push(payload.length))
      await ground.settled(bob.flush())
      const { maxPayloadBytes } = alice
      expect(() => alice.publish('a', new Uint8Array(maxPayloadBytes + 1))).toThrow(PayloadTooLargeError)
      for (const size of [maxPayloadBytes, 1, maxPayloadBytes]) alice.publish('a', new Uint8Array(size))
      await ground.until(() => sizes.length === 3)
      expect(sizes).toEqual([maxPayloadBytes, 1, maxPayloadBytes])
    })

    test('gives each receiver bytes of its own', async () => {
      const heard: string[] = []
      for (const bus of [alice, bob]) {
        bus.subscribe('a', ({ payload }) => {
          heard.push(text(payload))
          payload.fill(0)
        })
        await ground.settled(bus.flush())
      }
      alice.publish('a', bytes('word'))
      await ground.until(() => heard.length === 2)
      expect(heard).toEqual(['word', 'word'])
    })

    test('refuses what cannot mean anything', () => {
      for (const subject of ['', 'a..b', '.a', 'a.', 'a b', 'a.*', '>', 'a\r\nPUB b']) {
        expect(() => alice.publish(subject, bytes(''))).toThrow(TypeError)
        expect(() => alice.publish('a', bytes(''), { replyTo: subject })).toThrow(TypeError)
      }
      for (const filter of ['', 'a..b', '>.a', 'a.>.b', 'a b']) {
        expect(() => alice.subscribe(filter, () => {})).toThrow(TypeError)
      }
      expect(() => alice.publish('a', bytes(''), { onNoResponders: () => {} })).toThrow('onNoResponders but no replyTo')
    })

    test('sends what waits when it is closed; then it is silent and deaf', async () => {
      const heard = await collect(bob, 'a')
      const deaf = await collect(alice, 'b')
      alice.publish('a', bytes('last words'))
      await ground.settled(Promise.all([alice.close(), alice.close()]))
      const brief = await ground.open('brief')
      brief.publish('a', bytes('all it ever said'))
      await ground.settled(brief.close())
      alice.publish('a', bytes('too late'))
      alice.subscribe('b', () => deaf.push('new subscription')).unsubscribe()
      bob.publish('b', bytes('hello?'))
      await expect(alice.flush()).rejects.toThrow('The bus is closed')
      await ground.settled(bob.flush())
      await ground.until(() => heard.length > 1)
      await ground.settled(alice.close())
      expect({ heard, deaf }).toEqual({ heard: ['a last words', 'a all it ever said'], deaf: [] })
    })
  })
}
