import { calmNetwork, type NetworkConditions, Simulation } from '@verdict/runtime/simulated'
import { describe, expect, test } from 'vitest'
import { bytes, text } from '../bus-contract.ts'

interface Pair {
  readonly simulation: Simulation
  /** What each process heard, as numbers. */
  readonly heard: Readonly<Record<'a' | 'b', number[]>>
  /** Sends numbers from one to the other, and lets them arrive. */
  readonly exchange: (from: 'a' | 'b', count?: number) => Promise<void>
}

function pair(seed: number, network: Partial<NetworkConditions> = {}): Pair {
  const simulation = new Simulation({ seed, network })
  const heard = { a: [] as number[], b: [] as number[] }
  for (const name of ['a', 'b'] as const) {
    simulation
      .process(
        name,
        ({ bus }) => void bus.subscribe(`to.${name}`, ({ payload }) => heard[name].push(Number(text(payload)))),
      )
      .start()
  }
  return {
    simulation,
    heard,
    async exchange(from, count = 1) {
      await simulation.run({ untilMs: simulation.nowMs + 1 }) // for the processes to have begun
      const { bus } = simulation.processes.get(from)?.world ?? expect.unreachable()
      for (let number = 0; number < count; number++) bus.publish(from === 'a' ? 'to.b' : 'to.a', bytes(String(number)))
      await simulation.run({ untilMs: simulation.nowMs + 1000 })
    },
  }
}

const inOrder = (count: number): number[] => Array.from({ length: count }, (_, number) => number)

describe('a network', () => {
  test('that is calm loses, doubles and reorders nothing', async () => {
    const { heard, exchange } = pair(1, { maxDelayMs: 50 })
    await exchange('a', 500)
    expect(heard.b).toEqual(inOrder(500))
  })

  test('loses about as many as it was told, until that is over', async () => {
    const { simulation, heard, exchange } = pair(1, { lossProbability: 0.2 })
    await exchange('a', 1000)
    expect(heard.b.length).toBeGreaterThan(700)
    expect(heard.b.length).toBeLessThan(900)
    simulation.network.set(calmNetwork)
    heard.b.length = 0
    await exchange('a', 1000)
    expect(heard.b).toEqual(inOrder(1000))
  })

  test('doubles about as many as it was told', async () => {
    const { heard, exchange } = pair(1, { duplicateProbability: 0.2 })
    await exchange('a', 1000)
    expect(new Set(heard.b).size).toBe(1000)
    expect(heard.b.length).toBeGreaterThan(1100)
    expect(heard.b.length).toBeLessThan(1300)
  })

  test('reorders what may overtake', async () => {
    const { heard, exchange } = pair(1, { reorderProbability: 0.1, maxDelayMs: 50 })
    await exchange('a', 200)
    expect(heard.b).not.toEqual(inOrder(200))
    expect(heard.b.toSorted((one, other) => one - other)).toEqual(inOrder(200))
  })
})

describe('a wire', () => {
  test('that is cut one way carries the other, until it is healed', async () => {
    const { simulation, heard, exchange } = pair(1)
    simulation.network.cutOneWay('a', 'b')
    await exchange('a')
    await exchange('b')
    expect(heard).toEqual({ a: [0], b: [] })
    simulation.network.heal('a', 'b')
    await exchange('a')
    expect(heard).toEqual({ a: [0], b: [0] })
  })

  test('over a partition carries nothing, and nobody is told that nobody listens', async () => {
    const { simulation, heard, exchange } = pair(1)
    const witness = simulation.process('c', ({ bus }) => void bus.subscribe('to.c', () => heard.a.push(-1)))
    witness.start()
    simulation.network.partition(['a'], ['b'])
    await exchange('a')
    await exchange('b')
    simulation.processes.get('a')?.world.bus.publish('to.b', bytes('1'), {
      replyTo: 'inbox',
      onNoResponders: () => expect.unreachable(),
    })
    simulation.processes.get('a')?.world.bus.publish('to.c', bytes('1'))
    await exchange('a')
    expect(heard).toEqual({ a: [-1], b: [] })
    simulation.network.heal()
    await exchange('a')
    expect(heard.b).toEqual([0])
  })

  test('may have what is under way when it is cut arrive', async () => {
    const { simulation, heard, exchange } = pair(1)
    await exchange('a')
    simulation.processes.get('a')?.world.bus.publish('to.b', bytes('1'))
    simulation.network.partition(['a'], ['b'])
    await simulation.run({ untilMs: simulation.nowMs + 10 })
    expect(heard.b).toEqual([0, 1])
  })
})

describe('whoever asks the dead', () => {
  const ask = async (kill: (process: ReturnType<Simulation['process']>) => void): Promise<boolean> => {
    const { simulation, exchange } = pair(1)
    await exchange('a')
    const victim = simulation.processes.get('b') ?? expect.unreachable()
    kill(victim)
    let told = false
    simulation.processes.get('a')?.world.bus.publish('to.b', bytes('1'), {
      replyTo: 'inbox',
      onNoResponders: () => {
        told = true
      },
    })
    await simulation.run({ untilMs: simulation.nowMs + 10 })
    victim.start()
    return told
  }

  test('is told after a crash that nobody listens', async () => {
    expect(await ask((process) => process.crash())).toBe(true)
  })

  test('is told nothing after a power cut', async () => {
    expect(await ask((process) => process.powerCut())).toBe(false)
  })

  test('may find the dead chosen by a queue group, until they live again', async () => {
    const simulation = new Simulation({ seed: 1 })
    const heard: string[] = []
    const members = ['a', 'b'].map((name) => {
      const member = simulation.process(name, ({ bus, incarnation }) => {
        if (incarnation === 1) bus.subscribe('work', () => heard.push(name), { queue: 'members' })
      })
      member.start()
      return member
    })
    const asker = simulation.process('asker')
    asker.start()
    const askOften = async (): Promise<number> => {
      heard.length = 0
      await simulation.run({ untilMs: simulation.nowMs + 10 })
      for (let count = 0; count < 100; count++) asker.world.bus.publish('work', bytes(''))
      await simulation.run({ untilMs: simulation.nowMs + 10 })
      return heard.length
    }
    expect(await askOften()).toBe(100)
    members[0]?.powerCut()
    expect(await askOften()).toBeLessThan(80)
    members[0]?.start()
    expect(await askOften()).toBe(100)
  })

  test('is heard by the next life only', async () => {
    const { simulation, heard, exchange } = pair(1)
    await exchange('a')
    simulation.processes.get('a')?.world.bus.publish('to.b', bytes('7'))
    simulation.processes.get('b')?.powerCut()
    simulation.processes.get('b')?.start()
    await exchange('a')
    expect(heard.b).toEqual([0, 0])
  })
})

describe('a test', () => {
  test('sees each message when it leaves, and can take the power of its sender at that moment', async () => {
    const { simulation, heard, exchange } = pair(1)
    const seen: string[] = []
    simulation.network.observe(({ from, subject, payload }) => {
      seen.push(`${from} ${subject} ${text(payload)}`)
      if (text(payload) === '1') simulation.processes.get(from)?.powerCut()
    })
    await exchange('a', 4)
    expect(seen).toEqual(['a to.b 0', 'a to.b 1'])
    expect(heard.b).toEqual([0, 1])
  })

  test('sees each copy of a message when it arrives', async () => {
    const { simulation, exchange } = pair(1, { duplicateProbability: 1 })
    const seen: string[] = []
    simulation.network.observeArrivals(({ from, to, payload }) => seen.push(`${from} ${to} ${text(payload)}`))
    await exchange('a', 1)
    expect(seen).toEqual(['a b 0', 'a b 0'])
  })

  test('decides about single messages', async () => {
    const { simulation, heard, exchange } = pair(1)
    const stop = simulation.network.intercept(({ payload }) => {
      if (text(payload) === '1') return 'lose'
      return text(payload) === '2' ? { delayMs: 100 } : 'pass'
    })
    await exchange('a', 4)
    expect(heard.b).toEqual([0, 3, 2])
    stop()
    await exchange('a', 3)
    expect(heard.b).toEqual([0, 3, 2, 0, 1, 2])
  })

  test('reads a line for each event, with its own words for payloads', async () => {
    const printed: string[] = []
    const simulation = new Simulation({
      seed: 1,
      trace: { describe: (payload) => `“${text(payload)}”`, print: (line) => printed.push(line), keep: 2 },
    })
    const a = simulation.process('a')
    a.start()
    a.world.bus.subscribe('to.a', () => {})
    a.world.bus.publish('to.a', bytes('word'))
    a.world.bus.publish('to.nobody', bytes('?'))
    await simulation.run({ untilMs: 10 })
    simulation.note('test', 'done')
    expect(
      printed.map((line) =>
        line
          .trim()
          .replaceAll(/ +/g, ' ')
          .replaceAll(/\d+\.\d{3}/g, 'T'),
      ),
    ).toEqual([
      'T nobody a to.nobody 1 B “?”',
      'T start a incarnation 1',
      'T deliver a → a to.a 4 B left T “word”',
      'T note test done',
    ])
    expect(simulation.trace.lines()).toEqual(printed.slice(-2))
  })
})
