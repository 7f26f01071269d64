import { groupIdOf, type Manifest, makeManifest } from '@verdict/coordinator'
import {
  type Answer,
  answerSubject,
  decodePacket,
  type Epoch,
  encodePacket,
  type Found,
  type GroupId,
  namespace,
  type Operate,
  type Operated,
  ownerName,
  type Request,
  type StatusReport,
  subjects,
} from '@verdict/protocol'
import type { World } from '@verdict/runtime'
import { SeededRandom, Simulation } from '@verdict/runtime/simulated'
import { Asker } from '../src/asker.ts'
import type { ExitCode } from '../src/exit.ts'
import { runProgram } from '../src/program.ts'

export const nowMs: number = Date.parse('2026-03-01T10:21:00.000Z')

const names = ['n1', 'n2', 'n3'] as const
export const manifest: Manifest = makeManifest('main', names, new SeededRandom(1))
export const group: GroupId = groupIdOf(manifest)
const sees = subjects(namespace())

export interface FakeGroupOptions {
  /** Who answers as the leader; nobody when absent. */
  readonly leader?: string
  readonly silent?: readonly string[]
  /** What single replicas report otherwise. */
  readonly reports?: Readonly<Record<string, Partial<StatusReport>>>
  readonly found?: Found
  /** What the leader answers to an order. */
  readonly operated?: Omit<Operated, 'type'>
  /** The format that the leader answers to an upgrade. */
  readonly upgraded?: number
}

/** A group whose replicas answer by a script, and the tool beside it, on a simulated network. */
export class FakeGroup {
  readonly simulation: Simulation = new Simulation({ seed: 1 })
  /** How many requests of each type have arrived. */
  readonly asked: Map<Request['type'], number> = new Map()
  /** The orders that have arrived. */
  readonly orders: Operate[] = []
  private readonly options: FakeGroupOptions

  constructor(options: FakeGroupOptions = {}) {
    this.options = options
    for (const name of names) {
      if (!options.silent?.includes(name)) this.simulation.process(name, ({ bus }) => this.serve(name, bus)).start()
    }
  }

  /** Runs one command line to its end. */
  async run(...args: string[]): Promise<{ readonly code: ExitCode; readonly out: string; readonly err: string }> {
    let [out, err] = ['', '']
    let code: ExitCode | undefined
    const terminal = {
      out: (text: string) => {
        out += text
      },
      err: (text: string) => {
        err += text
      },
      paint: (_: string, text: string) => text,
    }
    const main = async (world: World): Promise<void> => {
      const withAsker = <T>(_: object, use: (asker: Asker) => Promise<T>): Promise<T> =>
        use(new Asker(world, namespace(), ownerName('cli')))
      code = await runProgram(args, '1.2.3', { terminal, wallMs: () => nowMs, random: world.random, withAsker })
    }
    this.simulation.process('cli', main).start()
    await this.simulation.runUntil(() => code !== undefined, { withinMs: 60_000 })
    if (code === undefined) throw new Error('the command has not ended')
    return { code, out, err }
  }

  /** What a replica reports. */
  report(replica: string): StatusReport {
    const { leader, reports } = this.options
    return {
      type: 'statusReport',
      group,
      replica,
      role: leader === replica ? 'leader' : 'follower',
      ...(leader === undefined ? {} : { leader }),
      term: 3,
      lastIndex: 12,
      commitIndex: 11,
      appliedIndex: 10,
      epoch: 4 as Epoch,
      horizon: 0 as Epoch,
      version: '0.1.0',
      unsettled: 0,
      underway: 0,
      hazardous: 0,
      inDoubt: [],
      withHazards: [],
      troubles: [],
      ...reports?.[replica],
    }
  }

  private serve(replica: string, bus: World['bus']): void {
    const listen = (subject: string, answer: () => Answer | undefined): void => {
      bus.subscribe(subject, ({ payload, replyTo }) => {
        const { request, message } = decodePacket(payload)
        const type = message.type as Request['type']
        this.asked.set(type, (this.asked.get(type) ?? 0) + 1)
        if (message.type === 'operate') this.orders.push(message)
        const told = answer()
        if (told === undefined || replyTo === undefined) return
        const subject = answerSubject(replyTo, { kind: 'replica', group, replica })
        bus.publish(subject, encodePacket({ request, message: told }))
      })
    }
    listen(sees.status(group, replica, '*'), () => this.report(replica))
    if (replica !== this.options.leader) return
    const { options } = this
    listen(sees.hello(manifest.name, '*'), () => {
      return { type: 'welcome', group, replicas: names, epoch: 4 as Epoch, horizon: 0 as Epoch, retentionMs: 3_600_000 }
    })
    listen(sees.operate(group, '*'), () => {
      if (options.operated !== undefined) return { type: 'operated', ...options.operated }
      return options.upgraded === undefined ? undefined : { type: 'upgraded', format: options.upgraded }
    })
    listen(sees.look(group, '*'), () => {
      return options.found === undefined ? undefined : { type: 'looked', epoch: 4 as Epoch, found: [options.found] }
    })
  }
}
