import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Membership, RaftSettings, ReplicaId } from '@verdict/raft'
import { connectNats, type NatsBus } from '@verdict/runtime'
import { type NatsServer, startNats } from '../../infra/nats.ts'
import { ReplicaProcess } from './replica-process.ts'
import { askSubject, type Question, type Reply, type Status } from './wire.ts'

const founders = ['n1', 'n2', 'n3'] as ReplicaId[]
/** A replica that is up answers within this, on a machine that is busy with other things too. */
const answerTimeoutMs = 1_000
const pollMs = 10
/** Whatever a group is waited for happens within this, or never. */
const patienceMs = 60_000

export interface GroupOptions {
  readonly machine: 'ledger' | 'registers'
  readonly settings?: Partial<RaftSettings>
  /** Where the store of one of them is, when it is not beside the others. */
  readonly storeFolders?: Readonly<Partial<Record<string, string>>>
  readonly environment?: Readonly<Record<string, string>>
}

/** Three replicas as processes of their own, over a NATS server of their own. */
export class Group implements AsyncDisposable {
  readonly nats: NatsServer
  /** A connection of whoever tests: to propose, and to ask. */
  readonly bus: NatsBus
  readonly replicas = new Map<ReplicaId, ReplicaProcess>()
  readonly #folder: string
  readonly #options: GroupOptions
  readonly #answers: string
  readonly #asked = new Map<string, (reply: Reply) => void>()
  #questions = 0

  private constructor(nats: NatsServer, bus: NatsBus, options: GroupOptions) {
    this.nats = nats
    this.bus = bus
    this.#options = options
    this.#folder = mkdtempSync(join(tmpdir(), 'verdict-raft-'))
    this.#answers = `test.answers.${process.pid}`
    bus.subscribe(`${this.#answers}.*`, ({ subject, payload }) => {
      this.#asked.get(subject)?.(JSON.parse(Buffer.from(payload).toString()) as Reply)
    })
  }

  static async start(options: GroupOptions): Promise<Group> {
    const nats = await startNats()
    const group = new Group(nats, await connectNats({ servers: nats.url, name: 'tester' }), options)
    try {
      await Promise.all(founders.map((id) => group.#start(id, founders)))
    } catch (error) {
      await group[Symbol.asyncDispose]()
      throw error
    }
    return group
  }

  get pids(): readonly number[] {
    return [...this.replicas.values()].flatMap(({ service: { pid } }) => (pid === undefined ? [] : [pid]))
  }

  /** Starts an empty replica, which nobody knows until it is added. */
  async join(id: ReplicaId): Promise<ReplicaProcess> {
    return this.#start(id, [])
  }

  replica(id: ReplicaId): ReplicaProcess {
    const replica = this.replicas.get(id)
    if (replica === undefined) throw new Error(`The group has no replica ${id}.`)
    return replica
  }

  /** What a replica says of itself; undefined when it does not answer. */
  async status(id: ReplicaId): Promise<Status | undefined> {
    const reply = await this.#ask(id, { kind: 'status' }, answerTimeoutMs)
    return reply?.kind === 'done' ? (reply.value as Status) : undefined
  }

  /** Whoever leads, and is followed by all other members that run. */
  async leader(): Promise<Status & { readonly id: ReplicaId }> {
    return this.until('one leads, and all others follow it', async () => {
      const running = [...this.replicas.values()].filter(({ service }) => service.running)
      const all = await Promise.all(running.map(async ({ id }) => ({ id, status: await this.status(id) })))
      const leader = all.find(({ status }) => status?.role === 'leader')
      if (leader?.status === undefined) return undefined
      const { term, membership } = leader.status
      const members = all.filter(({ id }) => [...membership.voters, ...membership.learners].includes(id))
      const isAgreed = members.every(({ status }) => status?.leader === leader.id && status.term === term)
      return isAgreed ? { ...leader.status, id: leader.id } : undefined
    })
  }

  /** Asks the leader until it does what it is asked; refusals that may pass are tried again. */
  async change(kind: 'add' | 'remove' | 'transfer', replica: ReplicaId): Promise<Membership> {
    return this.until(`"${kind} ${replica}" is done`, async () => {
      const { id } = await this.leader()
      const reply = await this.#ask(id, { kind, replica }, patienceMs)
      return reply?.kind === 'done' ? ((reply.value ?? { voters: [], learners: [] }) as Membership) : undefined
    })
  }

  /** The whole ledger of a replica, once it has applied everything that was committed before. */
  async ledgerOf(id: ReplicaId): Promise<ReadonlyMap<string, number>> {
    const appliedIndex = await this.until('the leader is confirmed', async () => {
      const reply = await this.#ask((await this.leader()).id, { kind: 'confirm' }, answerTimeoutMs)
      return reply?.kind === 'done' ? (reply.value as number) : undefined
    })
    const ledger = new Map<string, number>()
    for (let after = ''; ; ) {
      const page = await this.until(`${id} has applied everything`, async () => {
        const reply = await this.#ask(id, { kind: 'list', after, appliedIndex }, answerTimeoutMs)
        return reply?.kind === 'done' ? (reply.value as [string, number][]) : undefined
      })
      for (const [command, times] of page) ledger.set(command, times)
      const last = page.at(-1)
      if (last === undefined) return ledger
      after = last[0]
    }
  }

  /** Looks until there is something to see. @throws Error that says what was not seen. */
  async until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
    for (const endMs = performance.now() + patienceMs; performance.now() < endMs; await pause(pollMs)) {
      const found = await look()
      if (found !== undefined && found !== false) return found
    }
    throw new Error(`Not seen within ${patienceMs / 1_000} s: ${what}. The logs are in ${this.#folder}.`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.replicas.values()) replica.resume()
    await Promise.all([...this.replicas.values()].map(({ service }) => service.stop()))
    await this.bus.close()
    await this.nats.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start(id: ReplicaId, members: readonly ReplicaId[]): Promise<ReplicaProcess> {
    const { storeFolders, ...options } = this.#options
    const replica = await ReplicaProcess.start({
      ...options,
      id,
      members,
      natsUrl: this.nats.url,
      storeFolder: storeFolders?.[id] ?? join(this.#folder, id),
      logFolder: this.#folder,
    })
    this.replicas.set(id, replica)
    return replica
  }

  async #ask(id: ReplicaId, question: Question, timeoutMs: number): Promise<Reply | undefined> {
    const replyTo = `${this.#answers}.${++this.#questions}`
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    this.#asked.set(replyTo, resolve)
    const timer = setTimeout(resolve, timeoutMs, undefined)
    this.bus.publish(askSubject(id), Buffer.from(JSON.stringify(question)), {
      replyTo,
      onNoResponders: () => resolve(undefined),
    })
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#asked.delete(replyTo)
    }
  }
}
