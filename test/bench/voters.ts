import {
  type BranchList,
  decodePacket,
  digestOf,
  encodePacket,
  type GroupId,
  type InstanceId,
  isInboxOf,
  type Message,
  makeId,
  makeToken,
  namespace,
  ownerName,
  type ParticipantName,
  parseGroupId,
  participantName,
  sealList,
  subjects,
  type Token,
  type Welcome,
} from '@verdict/protocol'
import { type Bus, type BusMessage, type PublishOptions, type Subscription, systemRandom } from '@verdict/runtime'

const verdict = namespace()
const on = subjects(verdict)
const owner = ownerName('bench')
const inbox = on.inbox(owner, makeToken(systemRandom.bytes(12)))
const handedOver = 'ctl' // the kind of subject on which a group speaks to participants

/** How a participant behaves when it is told an outcome. Each votes at once. */
export type Manner = 'acknowledges' | 'silent' | 'gone'

/**
 * A bus that ends in this process: on its other side are participants that vote and acknowledge without doing anything, and a client.
 * What a leader costs can so be measured alone.
 */
export class Voters implements Bus {
  readonly maxPayloadBytes: number = 1024 * 1024
  /** Outcomes that were sent to each. */
  readonly told = new Map<ParticipantName, number>()
  readonly manners = new Map<ParticipantName, Manner>()
  /** CPU milliseconds that the participants themselves took, to read what they are told. */
  readingMs = 0
  readonly #handlers = new Map<string, (message: BusMessage) => void>()
  readonly #waiting = new Map<number, (message: Message) => void>()
  #requests = 0
  #departing: (() => void)[] = []

  publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): void {
    const bytes = payload.slice()
    this.#departing.push(() => this.#arrive(subject, bytes, options))
    if (this.#departing.length > 1) return
    setImmediate(() => {
      for (const arrive of this.#departing.splice(0)) arrive()
    })
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): Subscription {
    this.#handlers.set(subject, handler)
    return { unsubscribe: () => void this.#handlers.delete(subject) }
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Whether a leader listens. */
  isLed(group: GroupId): boolean {
    return this.#handlers.has(on.vote(group, '*'))
  }

  /** Asks who the group is. */
  async meet(group: GroupId): Promise<Welcome> {
    const { name } = parseGroupId(group)
    return (await this.#ask(on.hello(name, '*'), on.hello(name, owner), { type: 'hello' })) as Welcome
  }

  /** Commits a transaction of these participants. */
  async commit(group: GroupId, epoch: Welcome['epoch'], participants: readonly ParticipantName[]): Promise<void> {
    const { name, incarnation } = parseGroupId(group)
    const id = makeId({ group: name, incarnation, epoch, owner, mark: 'once' }, systemRandom.bytes(12))
    const list = listOf(participants)
    const message = { type: 'commit', id, list, digest: digestOf(id, list), leftMs: 60_000, wait: 'decided' } as const
    const answer = await this.#ask(on.group(group, '*'), on.group(group, owner), message)
    if (answer.type !== 'decided' || answer.answer.kind !== 'committed') {
      throw new Error(`Expected a commit, found ${JSON.stringify(answer)}.`)
    }
  }

  #ask(filter: string, subject: string, message: Message): Promise<Message> {
    this.#requests += 1
    const request = this.#requests
    const { promise, resolve } = Promise.withResolvers<Message>()
    this.#waiting.set(request, resolve)
    this.#handlers.get(filter)?.({ subject, payload: encodePacket({ request, message }), replyTo: inbox })
    return promise
  }

  #arrive(subject: string, payload: Uint8Array, { onNoResponders }: PublishOptions): void {
    const tokens = subject.split('.')
    if (isInboxOf(tokens.slice(0, 5).join('.'), verdict, owner)) {
      const { request, message } = decodePacket(payload)
      this.#waiting.get(request)?.(message)
      this.#waiting.delete(request)
      return
    }
    const [, , kind, group, participant] = tokens
    if (kind !== handedOver || participant === undefined) return
    this.#tell(group as GroupId, participantName(participant), payload, onNoResponders)
  }

  #tell(group: GroupId, participant: ParticipantName, payload: Uint8Array, unheard?: () => void): void {
    const before = process.cpuUsage()
    const { message } = decodePacket(payload)
    const { user, system } = process.cpuUsage(before)
    this.readingMs += (user + system) / 1_000
    if (message.type === 'prepare') {
      const { id, digest } = message
      const { instance, token } = openingOf(participant)
      const vote = { kind: 'prepared', instance, token, durability: 'full' } as const
      this.#speak(group, participant, { type: 'vote', id, digest, vote })
      return
    }
    if (message.type !== 'outcome') return
    this.told.set(participant, (this.told.get(participant) ?? 0) + 1)
    const manner = this.manners.get(participant) ?? 'acknowledges'
    if (manner === 'gone') unheard?.()
    if (manner !== 'acknowledges') return
    const { id, digest, outcome } = message
    const { instance } = openingOf(participant)
    this.#speak(group, participant, { type: 'ack', id, digest, instance, applied: outcome })
  }

  #speak(group: GroupId, participant: ParticipantName, message: Message): void {
    const payload = encodePacket({ request: 0, message })
    this.#handlers.get(on.vote(group, '*'))?.({ subject: on.vote(group, participant), payload, replyTo: undefined })
  }
}

const openings = new Map<ParticipantName, { readonly instance: InstanceId; readonly token: Token }>()

function openingOf(participant: ParticipantName): { readonly instance: InstanceId; readonly token: Token } {
  const known = openings.get(participant)
  if (known !== undefined) return known
  const made = {
    instance: makeToken<InstanceId>(systemRandom.bytes(12)),
    token: makeToken<Token>(systemRandom.bytes(12)),
  }
  openings.set(participant, made)
  return made
}

function listOf(participants: readonly ParticipantName[]): BranchList {
  return sealList(
    participants.map((participant) => ({ kind: 'called', participant, calls: 1, ...openingOf(participant) })),
  )
}

/** Names of participants that no other has. */
export function participantsNamed(prefix: string, count: number): readonly ParticipantName[] {
  return Array.from({ length: count }, (_, place) => participantName(`${prefix}${String(place + 1).padStart(3, '0')}`))
}
