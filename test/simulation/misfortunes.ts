import type { ParticipantName } from '@verdict/protocol'
import type { SeededRandom } from '@verdict/runtime/simulated'
import type { SimulatedDatabase } from '@verdict/testing'
import type { Bank } from './bank.ts'
import type { System } from './system.ts'
import type { Weather } from './weather.ts'

/** What befalls databases now and then. */
export const misfortunes = [
  'databaseCrash',
  'databaseSlow',
  'databaseRefuses',
  'failover',
  'restore',
  'endByHand',
] as const

type Misfortune = (typeof misfortunes)[number]

/** Records that a restored backup may lack, at most: the work of some seconds. */
const maxRestoredRecords = 40
/** Records that a standby may not have heard of, at most. */
const maxLag = 4

const calm = {
  loseRequest: 0,
  delayRequest: 0,
  loseAnswer: 0,
  failStatement: 0,
  uncertainPrepare: 0,
  uncertainCommit: 0,
}
const brisk = { latencyMs: [0.1, 0.5], flushMs: [0.2, 2], refuseConnection: 0 } as const
const slow = { latencyMs: [5, 60], flushMs: [10, 400] } as const

/** Bad luck of databases: they break off, slow down, refuse, forget, and are tampered with. */
export class Misfortunes {
  readonly #system: System
  readonly #weather: Weather
  readonly #random: SeededRandom
  readonly #later: (mend: () => unknown) => void

  /** `later` calls what mends something after a while, unless everything is mended before. */
  constructor(system: System, weather: Weather, later: (mend: () => unknown) => void) {
    this.#system = system
    this.#weather = weather
    this.#random = system.simulation.random.fork('misfortunes')
    this.#later = later
  }

  start(): void {
    for (const { database } of this.#system.banks) database.setFaults(this.#usual())
  }

  stop(): void {
    for (const { database } of this.#system.banks) database.setFaults({ ...calm, ...brisk })
  }

  /** False when there was nothing to befall. */
  befall(name: Misfortune): boolean {
    const bank = this.#random.pick(this.#system.banks)
    const { database } = bank
    switch (name) {
      case 'databaseCrash':
        database.crash()
        this.#later(() => database.restart())
        return true
      case 'databaseSlow':
        database.setFaults(slow)
        this.#later(() => database.setFaults(brisk))
        return true
      case 'databaseRefuses':
        database.setFaults(this.#random.chance(0.5) ? { failStatement: 1 } : { refuseConnection: 1 })
        this.#later(() => database.setFaults({ ...brisk, failStatement: this.#usual().failStatement }))
        return true
      case 'failover':
        this.#goBack(bank, this.#drawLag())
        return true
      case 'restore':
        this.#goBack(bank, { kind: 'newest', records: this.#random.integer(1, maxRestoredRecords) })
        return true
      case 'endByHand':
        return this.#endByHand(bank)
    }
  }

  /** A lost prepare, or a lost end of one, is what hurts most: a standby lags by just that, as often as not. */
  #drawLag(): Parameters<SimulatedDatabase['failover']>[0] {
    if (this.#random.chance(0.5)) return { kind: 'newest', records: this.#random.integer(0, maxLag) }
    return {
      kind: 'from-last',
      record: this.#random.pick(['prepare', 'commit-prepared', 'rollback-prepared', 'commit']),
    }
  }

  #goBack({ name, database }: Bank, lag: Parameters<SimulatedDatabase['failover']>[0]): void {
    const { losses, simulation } = this.#system
    losses.wentBack(name, database.failover(lag), simulation.nowMs)
  }

  #endByHand({ name, database }: Bank): boolean {
    const prepared = database.prepared()
    if (prepared.length === 0) return false
    const { losses, simulation } = this.#system
    const { id } = this.#random.pick(prepared).name
    losses.endedByHand(name as ParticipantName, id, simulation.nowMs)
    // Whoever gives the order may meet an instance that ends the branch at this moment: then there is nothing left to do.
    void database.endByHand(name as ParticipantName, id, this.#random.pick(['commit', 'rollback'])).catch(() => {})
    return true
  }

  #usual() {
    const { databaseAnswerLoss, uncertainPrepare, uncertainCommit } = this.#weather
    return {
      loseRequest: databaseAnswerLoss / 3,
      delayRequest: databaseAnswerLoss / 3,
      loseAnswer: databaseAnswerLoss,
      failStatement: databaseAnswerLoss / 3,
      uncertainPrepare,
      uncertainCommit,
    }
  }
}
