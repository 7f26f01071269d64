import { randomBytes, randomUUID } from 'node:crypto'
import { type SimulatedWorld, Simulation, SimulationError } from '@verdict/runtime/simulated'
import { describe, expect, test } from 'vitest'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)

/** Processes that greet each other at random moments, on a bad network, and die now and then. */
async function chatter(seed: number): Promise<Simulation> {
  const simulation = new Simulation({
    seed,
    network: { lossProbability: 0.05, duplicateProbability: 0.05, reorderProbability: 0.1, maxDelayMs: 5 },
  })
  const main = async (world: SimulatedWorld): Promise<void> => {
    world.bus.subscribe('greet.*', ({ payload, replyTo }) => {
      if (replyTo !== undefined) world.bus.publish(replyTo, payload)
    })
    world.bus.subscribe(`answer.${world.name}`, () => {})
    const greet = async (): Promise<void> => {
      await world.disk.commit(new Map([['greeted', world.random.bytes(8)]]))
      world.bus.publish('greet.all', world.random.bytes(16), { replyTo: `answer.${world.name}` })
      world.clock.after(world.random.between(1, 20), () => void greet())
    }
    await greet()
  }
  const processes = ['a', 'b', 'c'].map((name) => simulation.process(name, main))
  for (const process of processes) process.start()
  const kill = (): void => {
    simulation.random.pick(processes).restart()
    simulation.plan(simulation.random.between(20, 80), kill)
  }
  simulation.plan(30, kill)
  await simulation.run({ untilMs: 500 })
  return simulation
}

describe('a seed', () => {
  test('gives the same trace on every run', async () => {
    for (const seed of [1, 2, 3]) {
      const [one, other] = [await chatter(seed), await chatter(seed)]
      expect(one.trace.count).toBeGreaterThan(300)
      expect(other.trace.lines()).toEqual(one.trace.lines())
      expect(other.trace.hash).toBe(one.trace.hash)
    }
  })

  test('gives another trace than the next seed', async () => {
    expect((await chatter(1)).trace.hash).not.toBe((await chatter(2)).trace.hash)
  })
})

describe('time', () => {
  test('is virtual: a day passes at once, timers come in order and none too early', async () => {
    const simulation = new Simulation({ seed: 1 })
    const fired: string[] = []
    const process = simulation.process('a', ({ clock }) => {
      const beganMs = clock.nowMs()
      for (const delayMs of [86_400_000, 10, 10, 0, 5.5]) {
        clock.after(delayMs, () => {
          expect(clock.nowMs()).toBeGreaterThanOrEqual(beganMs + delayMs)
          fired.push(String(delayMs))
        })
      }
    })
    process.start()
    await simulation.run({ untilMs: 86_400_001 })
    expect(fired).toEqual(['0', '5.5', '10', '10', '86400000'])
    expect(simulation.nowMs).toBe(86_400_001)
  })

  test('promises settle before the next event, however long their chain', async () => {
    const simulation = new Simulation({ seed: 1 })
    const seen: string[] = []
    simulation
      .process('a', async ({ clock }) => {
        clock.after(0, () => seen.push('next event'))
        for (let link = 0; link < 100; link++) await Promise.resolve()
        seen.push('end of the chain')
      })
      .start()
    await simulation.run({ untilMs: 1 })
    expect(seen).toEqual(['end of the chain', 'next event'])
  })

  test('runs at the rate of each process', async () => {
    const simulation = new Simulation({ seed: 1 })
    const ends = new Map<string, number>()
    for (const [name, rate] of [
      ['slow', 0.5],
      ['even', 1],
      ['fast', 2],
    ] as const) {
      const process = simulation.process(name, ({ clock }) => {
        clock.after(100, () => ends.set(name, simulation.nowMs))
      })
      process.start()
      simulation.plan(50, () => process.setClockRate(rate))
    }
    await simulation.run({ untilMs: 1000 })
    expect(Object.fromEntries(ends)).toEqual({ slow: 150, even: 100, fast: 75 })
  })

  test('never comes too early for a timer, whatever the rate and its changes', async () => {
    const simulation = new Simulation({ seed: 1 })
    let fired = 0
    const process = simulation.process('a', ({ clock, random }) => {
      const set = (): void => {
        const delayMs = random.between(0, 20)
        const dueMs = clock.nowMs() + delayMs
        clock.after(delayMs, () => {
          expect(clock.nowMs()).toBeGreaterThanOrEqual(dueMs)
          fired++
          set()
        })
      }
      for (let count = 0; count < 20; count++) set()
    })
    const changeRate = (): void => {
      process.setClockRate(simulation.random.between(0.3, 3))
      simulation.plan(simulation.random.between(1, 30), changeRate)
    }
    const aYearMs = 3e10 // the larger the numbers, the coarser they are rounded
    await simulation.run({ untilMs: aYearMs })
    process.start()
    changeRate()
    await simulation.run({ untilMs: aYearMs + 1000 })
    expect(fired).toBeGreaterThan(1000)
  })

  test('a timer that was called off does not fire', async () => {
    const simulation = new Simulation({ seed: 1 })
    const process = simulation.process('a', ({ clock }) => {
      const timer = clock.after(10, () => expect.unreachable())
      clock.after(5, () => timer.cancel())
    })
    process.start()
    await simulation.run({ untilMs: 20 })
    expect(process.running).toBe(true)
  })
})

describe('a process that dies', () => {
  test('gets no timer, message or flush any more, and what it still says is not heard', async () => {
    const simulation = new Simulation({ seed: 1 })
    const heard: string[] = []
    const victim = simulation.process('victim', ({ bus, clock, disk }) => {
      clock.after(10, () => heard.push('timer'))
      bus.subscribe('to.victim', () => heard.push('message'))
      void disk.commit(new Map([['key', bytes('value')]])).then(() => heard.push('flush'))
      simulation.plan(0.05, () => {
        bus.publish('to.victim', bytes('before'))
        victim.crash()
        bus.publish('to.witness', bytes('after'))
        clock.after(1, () => heard.push('late timer'))
        void disk.commit(new Map()).then(() => heard.push('late flush'))
      })
    })
    const witness = simulation.process('witness', ({ bus }) => {
      bus.subscribe('to.witness', () => heard.push('words of the dead'))
    })
    witness.start()
    victim.start()
    await simulation.run({ untilMs: 100 })
    expect(heard).toEqual([])
    expect(() => victim.world).toThrow('victim is dead')
  })

  test('begins a new life on the same disk, with other randomness', async () => {
    const simulation = new Simulation({ seed: 1 })
    const lives: (readonly [number, string | undefined, number])[] = []
    const process = simulation.process('a', async ({ disk, incarnation, random }) => {
      const found = disk.get('life')
      lives.push([incarnation, found && text(found), random.fraction()])
      await disk.commit(new Map([['life', bytes(String(incarnation))]]))
    })
    process.start()
    await simulation.run({ untilMs: 10 })
    process.restart()
    await simulation.run({ untilMs: 20 })
    expect(lives.map(([incarnation, found]) => [incarnation, found])).toEqual([
      [1, undefined],
      [2, '1'],
    ])
    expect(lives[0]?.[2]).not.toBe(lives[1]?.[2])
  })
})

test('a paused process is told everything in order once it is resumed', async () => {
  const simulation = new Simulation({ seed: 1 })
  const told: string[] = []
  const process = simulation.process('a', ({ bus, clock }) => {
    bus.subscribe('a', ({ payload }) => told.push(text(payload)))
    clock.after(30, () => told.push('timer'))
  })
  const other = simulation.process('b')
  process.start()
  other.start()
  await simulation.run({ untilMs: 10 })
  process.pause()
  for (const word of ['one', 'two']) other.world.bus.publish('a', bytes(word))
  await simulation.run({ untilMs: 50 })
  expect(told).toEqual([])
  process.resume()
  await simulation.run({ untilMs: 50 })
  expect(told).toEqual(['one', 'two', 'timer'])
})

describe('a failure', () => {
  const failing: Readonly<Record<string, (world: SimulatedWorld) => void | Promise<void>>> = {
    'in an event': ({ clock }) =>
      void clock.after(1, () => {
        throw new Error('broken')
      }),
    'in a promise of main': async () => {
      throw new Error('broken')
    },
    'in a promise that nobody awaits': ({ clock }) =>
      void clock.after(1, () => void Promise.reject(new Error('broken'))),
  }

  test.each(Object.keys(failing))('%s ends the run and names the seed', async (where) => {
    const simulation = new Simulation({ seed: 4711 })
    simulation.process('a', failing[where]).start()
    const run = simulation.run({ untilMs: 10 })
    await expect(run).rejects.toThrow(/Seed 4711.*broken[\s\S]*start +a/)
    await expect(run).rejects.toBeInstanceOf(SimulationError)
  })

  test('of an invariant ends the run at the step that broke it', async () => {
    const simulation = new Simulation({ seed: 1 })
    let count = 0
    simulation
      .process('a', ({ clock }) => {
        for (const delayMs of [1, 2, 3]) clock.after(delayMs, () => count++)
      })
      .start()
    simulation.afterEachStep(() => expect(count).toBeLessThan(2))
    await expect(simulation.run({ untilMs: 10 })).rejects.toThrow('Seed 1, at 2.000 ms')
  })

  test('to come about within the bound names the seed and what was awaited', async () => {
    const simulation = new Simulation({ seed: 7 })
    await expect(simulation.runUntil(() => simulation.nowMs < 0, { withinMs: 50 })).rejects.toThrow(
      'Seed 7, at 50.000 ms: What was waited for did not come within 50 ms, and nothing is left to happen: () => simulation.nowMs < 0',
    )
  })
})

describe('the real world', () => {
  const uses: Readonly<Record<string, () => unknown>> = {
    'Date.now': () => Date.now(),
    'new Date()': () => new Date(),
    'Math.random': () => Math.random(),
    'performance.now': () => performance.now(),
    setTimeout: () => setTimeout(() => {}),
    setInterval: () => setInterval(() => {}),
    randomUUID: () => crypto.randomUUID(),
    getRandomValues: () => crypto.getRandomValues(new Uint8Array(1)),
  }

  test.each(Object.keys(uses))('%s throws while a simulation runs, and works afterwards', async (name) => {
    const simulation = new Simulation({ seed: 1 })
    simulation.process('a', () => void uses[name]?.()).start()
    await expect(simulation.run({ untilMs: 1 })).rejects.toThrow(/was used while a simulation runs/)
    expect(uses[name]).not.toThrow()
    expect(new Date(0)).toBeInstanceOf(Date)
  })

  test('the modules of Node throw too', async () => {
    for (const use of [() => randomBytes(1), () => randomUUID()]) {
      const simulation = new Simulation({ seed: 1 })
      simulation.process('a', () => void use()).start()
      await expect(simulation.run({ untilMs: 1 })).rejects.toThrow(/was used while a simulation runs/)
      expect(use).not.toThrow()
    }
  })

  test('a date that was given its time may be made', async () => {
    const simulation = new Simulation({ seed: 1 })
    const read: string[] = []
    simulation.process('a', ({ clock }) => void read.push(new Date(clock.wallMs()).toISOString())).start()
    await simulation.run({ untilMs: 1 })
    expect(read).toEqual(['2026-01-01T00:00:00.000Z'])
  })
})
