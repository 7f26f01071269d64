import type { TransactionId } from '@verdict/protocol'
import type { SeededRandom, SimulatedProcess } from '@verdict/runtime/simulated'
import { Echoes, handName } from './echoes.ts'
import { Misfortunes, misfortunes } from './misfortunes.ts'
import type { System } from './system.ts'
import { messageOf, statementsOf } from './told.ts'
import type { Weather } from './weather.ts'

const tickMs = 50
const minDownMs = 50
/** Until a first call is heard again: about as long as a prepare takes, or an instance to start. */
const maxReopeningMs = 20

/** What strikes processes and wires now and then. */
const strikes = [
  'replicaCrash',
  'replicaPowerCut',
  'blackout',
  'replicaPause',
  'instanceCrash',
  'instancePause',
  'clientCrash',
  'clientPause',
  'partition',
  'cutOneWay',
  'slowDisk',
] as const

/** What strikes just when something else happens. */
type Ambush =
  | 'dieAtStore'
  | 'dieSending'
  | 'leaderDiesAtVote'
  | 'databaseDiesAtWord'
  | 'reopening'
  | 'powerCutAfterTelling'

type Strike = (typeof strikes)[number]

/** Lets faults strike a system, until it is told to stop, and counts those that did. */
export class Faults {
  readonly struck: Record<string, number> = {}
  readonly #system: System
  readonly #weather: Weather
  readonly #random: SeededRandom
  readonly #misfortunes: Misfortunes
  readonly #echoes: Echoes
  #stopped = false

  constructor(system: System, weather: Weather) {
    this.#system = system
    this.#weather = weather
    this.#random = system.simulation.random.fork('faults')
    const later = (mend: () => unknown): void => this.#later(mend)
    this.#misfortunes = new Misfortunes(system, weather, later)
    this.#echoes = new Echoes(system, weather)
  }

  start(): void {
    const { loss, duplication, reordering, maxDelayMs, dieAtStore } = this.#weather
    const { network } = this.#system.simulation
    network.set({
      lossProbability: loss,
      duplicateProbability: duplication,
      reorderProbability: reordering,
      maxDelayMs,
    })
    this.#misfortunes.start()
    for (const bank of this.#system.banks) bank.diesAtStore = () => this.#happens('dieAtStore', dieAtStore)
    this.#setClocks()
    network.observe((message) => {
      if (this.#weather.powerCutAfterTelling === 0 || statementsOf(message).length === 0) return
      if (this.#happens('powerCutAfterTelling', this.#weather.powerCutAfterTelling)) this.#cutPower()
    })
    network.observe((message) => {
      const { leaderDiesAtVote, databaseDiesAtWord, reopening } = this.#weather
      if (leaderDiesAtVote + databaseDiesAtWord + reopening === 0 || message.from === handName) return
      const said = messageOf(message)
      const type = said?.type
      if ((said?.type === 'commit' || said?.type === 'alone') && this.#happens('reopening', reopening))
        this.#reopen(said.id)
      if (type === 'vote' && this.#happens('leaderDiesAtVote', leaderDiesAtVote)) this.#killLeaders()
      if (type !== 'vote' && type !== 'ack' && type !== 'loneDecided') return
      const bank = this.#system.banks.find(({ instances }) => instances.some(({ name }) => name === message.from))
      if (bank === undefined || !this.#happens('databaseDiesAtWord', databaseDiesAtWord)) return
      bank.database.crash()
      this.#later(() => bank.database.restart())
    })
    network.intercept(({ from }) => {
      if (!this.#happens('dieSending', this.#weather.dieSending)) return 'pass'
      const sender = this.#system.processes().find(({ name }) => name === from)
      if (sender !== undefined) this.#kill(sender)
      return this.#random.chance(0.5) ? 'lose' : 'pass'
    })
    this.#tick()
  }

  /** No more faults; what is down or broken is mended. Clocks stay as they are: nobody promises that they are right. */
  stop(): void {
    this.#stopped = true
    const { network } = this.#system.simulation
    network.set({ lossProbability: 0, duplicateProbability: 0, reorderProbability: 0, maxDelayMs: 1 })
    network.heal()
    for (const { disk } of this.#system.replicas) disk.conditions.maxFlushMs = 3
    this.#misfortunes.stop()
    this.#system.revive()
  }

  #tick(): void {
    this.#system.simulation.plan(tickMs, () => {
      if (this.#stopped) return
      const isDue = (rate: number): boolean => rate > 0 && this.#random.chance((rate * tickMs) / 1_000)
      for (const name of strikes) if (isDue(this.#weather[name])) this.#strike(name)
      for (const name of misfortunes)
        if (isDue(this.#weather[name]) && this.#misfortunes.befall(name)) this.#count(name)
      for (const name of ['echo', 'nonsense'] as const) {
        if (isDue(this.#weather[name])) {
          this.#count(name)
          this.#echoes[name]()
        }
      }
      this.#tick()
    })
  }

  #strike(name: Strike): void {
    const { replicas, banks, clients } = this.#system
    const random = this.#random
    this.#count(name)
    switch (name) {
      case 'replicaCrash':
        this.#kill(random.pick(replicas))
        return
      case 'replicaPowerCut':
        this.#kill(random.pick(replicas), 'power cut')
        return
      case 'blackout':
        for (const replica of replicas) this.#kill(replica, 'power cut')
        return
      case 'replicaPause':
        this.#pause(random.pick(replicas))
        return
      case 'instanceCrash':
        this.#kill(random.pick(random.pick(banks).instances))
        return
      case 'instancePause':
        this.#pause(random.pick(random.pick(banks).instances))
        return
      case 'clientCrash':
        this.#kill(random.pick(clients).process)
        return
      case 'clientPause':
        this.#pause(random.pick(clients).process)
        return
      case 'partition':
        this.#partition()
        return
      case 'cutOneWay':
        this.#cutOneWay()
        return
      case 'slowDisk': {
        const { disk } = random.pick(replicas)
        disk.conditions.maxFlushMs = 300
        this.#later(() => {
          disk.conditions.maxFlushMs = 3
        })
      }
    }
  }

  #kill(process: SimulatedProcess, how: 'crash' | 'power cut' = 'crash'): void {
    if (!process.running) return
    const bank = this.#system.banks.find(({ instances }) => instances.includes(process))
    if (how === 'power cut') process.powerCut()
    else if (bank !== undefined) bank.crash(process)
    else process.crash()
    this.#later(() => process.running || process.start())
  }

  #pause(process: SimulatedProcess): void {
    if (!process.running || process.paused) return
    process.pause()
    this.#later(() => process.running && process.paused && process.resume())
  }

  #partition(): void {
    const names = this.#system.processes().map(({ name }) => name)
    const side = names.filter(() => this.#random.chance(0.4))
    this.#part((other) => this.#system.simulation.network.partition(side, other), side, names)
  }

  /** Only what this partition cut is mended with it: others last longer. */
  #part(cut: (other: readonly string[]) => void, side: readonly string[], names: readonly string[]): void {
    const { network } = this.#system.simulation
    const other = names.filter((name) => !side.includes(name))
    cut(other)
    this.#later(() => {
      for (const one of side) for (const another of other) network.heal(one, another)
    })
  }

  #cutOneWay(): void {
    const { network } = this.#system.simulation
    const names = this.#system.processes().map(({ name }) => name)
    const one = this.#random.pick(names)
    const isDeaf = this.#random.chance(0.5)
    const others = names.filter((name) => name !== one && this.#random.chance(0.5))
    for (const other of others) {
      if (isDeaf) network.cutOneWay(other, one)
      else network.cutOneWay(one, other)
    }
    this.#later(() => {
      for (const other of others) network.heal(one, other)
    })
  }

  /** Power fails in the moment after an outcome was told: what was flushed stays, and nothing else (invariant of durability). */
  #cutPower(): void {
    const all = this.#random.chance(0.5)
    for (const replica of this.#system.replicas) if (all || this.#random.chance(0.4)) this.#kill(replica, 'power cut')
  }

  /** Instances of a participant die with what they had open, and a late copy of the first call reaches one that is left, or starts again. */
  #reopen(id: TransactionId): void {
    const call = this.#echoes.firstCall(id)
    const bank = this.#system.banks.find(({ name }) => call?.subject.split('.').includes(name))
    if (call === undefined || bank === undefined) return
    for (const instance of bank.instances) {
      if (!this.#random.chance(0.7)) continue
      bank.crash(instance)
      if (!instance.running) instance.start()
    }
    this.#system.simulation.plan(this.#random.between(1, maxReopeningMs), () => this.#stopped || this.#echoes.say(call))
  }

  /** Whoever leads, or believes it does. */
  #killLeaders(): void {
    const leading = this.#system.running().filter((coordinator) => coordinator.status().role === 'leader')
    for (const { replica } of leading.map((coordinator) => coordinator.status())) {
      const process = this.#system.replicas.find(({ name }) => name === replica)
      if (process !== undefined) this.#kill(process)
    }
  }

  #setClocks(): void {
    const { clockSpread, wallOffMs } = this.#weather
    for (const process of this.#system.processes()) {
      if (clockSpread > 0) process.setClockRate(this.#random.between(1 - clockSpread / 2, 1 + clockSpread))
      if (wallOffMs > 0) process.setWallOffset(this.#random.integer(-wallOffMs, wallOffMs))
    }
  }

  #happens(name: Ambush, chance: number): boolean {
    if (this.#stopped || chance === 0 || !this.#random.chance(chance)) return false
    this.#count(name)
    return true
  }

  #later(mend: () => unknown): void {
    this.#system.simulation.plan(this.#random.between(minDownMs, this.#weather.maxDownMs), () => {
      if (!this.#stopped) mend()
    })
  }

  #count(what: string): void {
    this.struck[what] = (this.struck[what] ?? 0) + 1
    this.#system.simulation.note('fault', what)
  }
}
