import type { SeededRandom, SimulatedProcess } from '@verdict/runtime/simulated'
import type { System } from './system.ts'
import { statementsOf } from './told.ts'

/** How often each kind of fault strikes, for each second of virtual time; the network's and databases' are probabilities. */
export interface Weather {
  readonly replicaCrash: number
  readonly replicaPowerCut: number
  readonly replicaPause: number
  readonly instanceCrash: number
  readonly databaseCrash: number
  readonly clientCrash: number
  readonly partition: number
  readonly slowDisk: number
  /** Chance that power fails at some replicas, or at all of them, just after one has told an outcome. */
  readonly powerCutAfterTelling: number
  readonly loss: number
  readonly duplication: number
  readonly reordering: number
  readonly maxDelayMs: number
  readonly databaseAnswerLoss: number
  /** Chance that nobody hears whether a lone branch was committed. */
  readonly uncertainCommit: number
  readonly clockSpread: number
}

const tickMs = 50
const minDownMs = 50
const maxDownMs = 3_000

/** Each seed has weather of its own: some faults at all, those that it has with a rate of its own (swarm testing). */
export function drawWeather(random: SeededRandom): Weather {
  const some = (most: number): number => (random.chance(0.5) ? random.between(0, most) : 0)
  return {
    replicaCrash: some(0.5),
    replicaPowerCut: some(0.3),
    replicaPause: some(0.3),
    instanceCrash: some(0.8),
    databaseCrash: some(0.2),
    clientCrash: some(0.4),
    partition: some(0.4),
    slowDisk: some(0.3),
    powerCutAfterTelling: some(0.1),
    loss: some(0.08),
    duplication: some(0.2),
    reordering: some(0.3),
    maxDelayMs: random.chance(0.3) ? random.between(2, 200) : 1,
    databaseAnswerLoss: some(0.05),
    uncertainCommit: some(0.3),
    clockSpread: some(0.5),
  }
}

/** Lets faults strike a system, until it is told to stop, and counts those that did. */
export class Faults {
  readonly struck: Record<string, number> = {}
  readonly #system: System
  readonly #weather: Weather
  readonly #random: SeededRandom
  #stopped = false

  constructor(system: System, weather: Weather) {
    this.#system = system
    this.#weather = weather
    this.#random = system.simulation.random.fork('faults')
  }

  start(): void {
    const { simulation, banks } = this.#system
    const { loss, duplication, reordering, maxDelayMs, databaseAnswerLoss, uncertainCommit, clockSpread } =
      this.#weather
    simulation.network.set({
      lossProbability: loss,
      duplicateProbability: duplication,
      reorderProbability: reordering,
      maxDelayMs,
    })
    for (const { database } of banks) {
      database.setFaults({
        loseRequest: databaseAnswerLoss / 3,
        delayRequest: databaseAnswerLoss / 3,
        loseAnswer: databaseAnswerLoss,
        failStatement: databaseAnswerLoss / 3,
        uncertainCommit,
      })
    }
    if (clockSpread > 0) {
      for (const process of this.#system.processes()) {
        process.setClockRate(this.#random.between(1 - clockSpread / 2, 1 + clockSpread))
      }
    }
    simulation.network.observe((message) => {
      if (this.#stopped || this.#weather.powerCutAfterTelling === 0 || statementsOf(message).length === 0) return
      if (this.#random.chance(this.#weather.powerCutAfterTelling)) this.#cutPower()
    })
    this.#tick()
  }

  /** No more faults; what is down or broken is mended. */
  stop(): void {
    this.#stopped = true
    const { simulation, banks } = this.#system
    simulation.network.set({ lossProbability: 0, duplicateProbability: 0, reorderProbability: 0, maxDelayMs: 1 })
    simulation.network.heal()
    for (const { database } of banks)
      database.setFaults({ loseRequest: 0, delayRequest: 0, loseAnswer: 0, failStatement: 0, uncertainCommit: 0 })
    this.#system.revive()
  }

  #tick(): void {
    this.#system.simulation.plan(tickMs, () => {
      if (this.#stopped) return
      this.#strike()
      this.#tick()
    })
  }

  #strike(): void {
    const { replicas, banks, clients } = this.#system
    const weather = this.#weather
    const random = this.#random
    const strikes = (rate: number): boolean => rate > 0 && random.chance((rate * tickMs) / 1_000)
    if (strikes(weather.replicaCrash)) this.#down(random.pick(replicas), 'crash')
    if (strikes(weather.replicaPowerCut)) this.#down(random.pick(replicas), 'power cut')
    if (strikes(weather.replicaPause)) this.#pause(random.pick(replicas))
    if (strikes(weather.instanceCrash)) {
      const bank = random.pick(banks)
      const instance = random.pick(bank.instances)
      if (instance.running) {
        this.#count('instance crash')
        bank.crash(instance)
        this.#later(() => instance.running || instance.start())
      }
    }
    if (strikes(weather.databaseCrash)) {
      this.#count('database crash')
      const { database } = random.pick(banks)
      database.crash()
      this.#later(() => database.restart())
    }
    if (strikes(weather.clientCrash)) this.#down(random.pick(clients).process, 'client crash')
    if (strikes(weather.partition)) this.#partition()
    if (strikes(weather.slowDisk)) {
      this.#count('slow disk')
      const { disk } = random.pick(replicas)
      disk.conditions.maxFlushMs = 300
      this.#later(() => {
        disk.conditions.maxFlushMs = 3
      })
    }
  }

  #down(process: SimulatedProcess, how: 'crash' | 'power cut' | 'client crash'): void {
    if (!process.running) return
    this.#count(how)
    if (how === 'power cut') process.powerCut()
    else process.crash()
    this.#later(() => process.running || process.start())
  }

  #pause(process: SimulatedProcess): void {
    if (!process.running || process.paused) return
    this.#count('pause')
    process.pause()
    this.#later(() => process.running && process.paused && process.resume())
  }

  #partition(): void {
    this.#count('partition')
    const { simulation } = this.#system
    const names = this.#system.processes().map(({ name }) => name)
    const side = names.filter(() => this.#random.chance(0.4))
    const other = names.filter((name) => !side.includes(name))
    const [one, another] = [this.#random.pick(names), this.#random.pick(names)]
    if (this.#random.chance(0.3)) simulation.network.cutOneWay(one, another)
    else simulation.network.partition(side, other)
    this.#later(() => simulation.network.heal())
  }

  /** Power fails in the moment after an outcome was told: what was flushed stays, and nothing else (invariant of durability). */
  #cutPower(): void {
    const all = this.#random.chance(0.5)
    for (const replica of this.#system.replicas) if (all || this.#random.chance(0.4)) this.#down(replica, 'power cut')
  }

  #later(mend: () => unknown): void {
    this.#system.simulation.plan(this.#random.between(minDownMs, maxDownMs), () => {
      if (!this.#stopped) mend()
    })
  }

  #count(what: string): void {
    this.struck[what] = (this.struck[what] ?? 0) + 1
  }
}
