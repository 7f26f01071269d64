import type { SeededRandom, SimulatedProcess } from '@verdict/runtime/simulated'
import type { Group, Member } from './group.ts'
import type { Weather } from './weather.ts'

const tickMs = 10
const calmDisk = { minFlushMs: 0.1, maxFlushMs: 0.5 }
const calmNetwork = { lossProbability: 0, duplicateProbability: 0, reorderProbability: 0, maxDelayMs: 0.6 }
/** A leader's first entries are on their way so many times as long as a message at most. */
const firstWords = 8
/** So much apart that a leader that nobody hears leads on while others have long elected another. */
const clockRates = { slowest: 0.4, fastest: 2 }

/** What strikes now and then. */
const strikes = ['crash', 'powerCut', 'blackout', 'pause', 'partition', 'cutOneWay', 'slowDisk', 'clockRate'] as const
/** What strikes when something else happens. */
const ambushes = ['strikeElected', 'dieSending'] as const
/** What the network does all the time, in histories in which it does. */
const nuisances = ['loss', 'duplication', 'reordering'] as const

/** Each is counted under its name: when it strikes, or once for a history. */
export const faultNames = [...strikes, ...ambushes, ...nuisances] as const

type Strike = (typeof strikes)[number]
type FaultName = (typeof faultNames)[number]

/** Lets faults strike a group until it is told to stop, and counts those that did. */
export class Faults {
  readonly struck = new Map<string, number>()
  readonly #group: Group
  readonly #weather: Weather
  readonly #random: SeededRandom
  #stopped = false

  constructor(group: Group) {
    this.#group = group
    this.#weather = group.circumstances.weather
    this.#random = group.simulation.random.fork('faults')
  }

  start(): void {
    const { clockRate, loss, duplication, reordering, maxDelayMs, strikeElected, dieSending } = this.#weather
    const { network } = this.#group.simulation
    network.set({
      lossProbability: loss,
      duplicateProbability: duplication,
      reorderProbability: reordering,
      maxDelayMs,
    })
    for (const name of nuisances) if (this.#weather[name] > 0) this.#count(name)
    if (clockRate > 0) for (const { process } of this.#group.members) this.#setClock(process)
    this.#group.onElected((member) => {
      if (!this.#stopped && this.#random.chance(strikeElected)) this.#strikeElected(member)
    })
    network.observe(({ from }) => {
      if (this.#stopped || !this.#random.chance(dieSending)) return
      const sender = this.#group.members.find(({ id }) => id === from)
      if (sender !== undefined) this.#kill(sender.process, 'dieSending')
    })
    this.#tick()
  }

  /** No more faults; what is down or broken is mended. */
  stop(): void {
    this.#stopped = true
    const { simulation, members } = this.#group
    simulation.network.set(calmNetwork)
    simulation.network.heal()
    for (const { process } of members) {
      Object.assign(process.disk.conditions, calmDisk)
      process.setClockRate(1)
    }
    this.#group.revive()
  }

  #tick(): void {
    this.#group.simulation.plan(tickMs, () => {
      if (this.#stopped) return
      for (const name of strikes) if (this.#random.chance((this.#weather[name] * tickMs) / 1_000)) this.#strike(name)
      this.#tick()
    })
  }

  #strike(name: Strike): void {
    const { process } = this.#victim()
    switch (name) {
      case 'crash':
      case 'powerCut':
        this.#kill(process, name)
        return
      case 'blackout':
        for (const { process: each } of this.#group.members) this.#kill(each, name)
        return
      case 'pause':
        this.#pause(process)
        return
      case 'partition':
        this.#partition(process.name)
        return
      case 'cutOneWay':
        this.#cutOneWay(process.name)
        return
      case 'slowDisk':
        this.#count(name)
        process.disk.conditions.maxFlushMs = this.#random.pick([30, 300])
        this.#later(() => Object.assign(process.disk.conditions, calmDisk))
        return
      case 'clockRate':
        this.#count(name)
        this.#setClock(process)
        return
    }
  }

  /** A leader whose first entries get to few disks, or to none but its own: the stuff of figure 8. */
  #strikeElected({ process }: Member): void {
    this.#count('strikeElected')
    const { simulation } = this.#group
    const strike = this.#random.chance(0.5) ? () => this.#isolate(process.name) : () => this.#kill(process, 'crash')
    if (this.#random.chance(0.5)) this.#isolate(process.name)
    else
      simulation.plan(this.#random.between(0, firstWords * this.#weather.maxDelayMs), () => this.#stopped || strike())
  }

  #victim(): Member {
    const { leader, members } = this.#group
    if (leader !== undefined && this.#random.chance(this.#weather.aimAtLeader)) return leader
    return this.#random.pick(members)
  }

  #kill(process: SimulatedProcess, name: FaultName): void {
    if (!process.running) return
    this.#count(name)
    if (name === 'crash' || name === 'dieSending') process.crash()
    else process.powerCut()
    this.#later(() => this.#start(process))
  }

  #start(process: SimulatedProcess): void {
    const isRetired = this.#group.members.some((member) => member.process === process && member.retired)
    if (!process.running && !isRetired) process.start()
  }

  /** As often as not it wakes up cut off: one that led has nobody to tell it that others lead by now. */
  #pause(process: SimulatedProcess): void {
    if (!process.running || process.paused) return
    this.#count('pause')
    process.pause()
    if (this.#random.chance(0.5)) this.#isolate(process.name)
    this.#later(() => process.running && process.paused && process.resume())
  }

  #setClock(process: SimulatedProcess): void {
    process.setClockRate(this.#random.between(clockRates.slowest, clockRates.fastest))
  }

  #isolate(name: string): void {
    this.#part(
      [name],
      this.#group.members.map(({ id }) => id).filter((id) => id !== name),
    )
  }

  #partition(name: string): void {
    this.#count('partition')
    const names = this.#group.members.map(({ id }) => id)
    const side = names.filter((other) => other === name || this.#random.chance(0.25))
    this.#part(
      side,
      names.filter((other) => !side.includes(other)),
    )
  }

  #part(side: readonly string[], otherSide: readonly string[]): void {
    const { network } = this.#group.simulation
    network.partition(side, otherSide)
    this.#later(() => {
      for (const one of side) for (const other of otherSide) network.heal(one, other)
    })
  }

  #cutOneWay(name: string): void {
    this.#count('cutOneWay')
    const { network } = this.#group.simulation
    const isDeaf = this.#random.chance(0.5)
    const others = this.#group.members.map(({ id }) => id).filter((id) => id !== name && this.#random.chance(0.7))
    for (const other of others) {
      if (isDeaf) network.cutOneWay(other, name)
      else network.cutOneWay(name, other)
    }
    this.#later(() => {
      for (const other of others) network.heal(name, other)
    })
  }

  #later(mend: () => unknown): void {
    this.#group.simulation.plan(this.#random.between(1, this.#weather.maxDownMs), () => {
      if (!this.#stopped) mend()
    })
  }

  #count(name: FaultName): void {
    this.struck.set(name, (this.struck.get(name) ?? 0) + 1)
    this.#group.simulation.note('fault', name)
  }
}
