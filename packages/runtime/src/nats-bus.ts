import {
  type ConnectionOptions,
  connect,
  type Msg,
  type NatsConnection,
  type TlsOptions,
} from '@nats-io/transport-node'
import {
  type Bus,
  type BusMessage,
  PayloadTooLargeError,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './bus.ts'
import { decodeFrame, encodeFrame, frameHeaderBytes, messageHeaderBytes } from './frame.ts'
import { Inbox } from './inbox.ts'
import { NoResponders } from './no-responders.ts'
import { Outbox, type Parcel } from './outbox.ts'
import { assertPublish } from './publish.ts'
import { assertFilter, isSubject } from './subject.ts'

/** Bytes that may be on their way to the server unconfirmed, this turn's included: beyond it the server is too slow for us. */
const maxOutgoingBytes = 64 * 1024 * 1024

/** Unconfirmed bytes that make the bus ask for a confirmation: seldom enough to cost nothing. */
const confirmAfterBytes = 512 * 1024

/** Two of these without an answer, and the connection counts as lost: a dead link is noticed in half a minute. */
const pingIntervalMs = 10_000

/** Between attempts to connect: quick after a restart of the server, and no storm when it stays away. */
const reconnectWaitMs = 100

/** Spreads the attempts of many processes. */
const reconnectJitterMs = 100

export interface NatsOptions {
  /** Addresses such as `nats://10.0.0.1:4222`; the others are learnt from the first. */
  readonly servers: string | readonly string[]
  /** Name of the connection, as the server's monitoring shows it. */
  readonly name: string
  readonly credentials?: Pick<ConnectionOptions, 'authenticator' | 'user' | 'pass' | 'token'>
  readonly tls?: TlsOptions
  /** Keep trying when no server answers at first, instead of failing. Default false. */
  readonly waitOnFirstConnect?: boolean
  /** Told what happens to the connection, for logs. */
  readonly onStatus?: (status: NatsStatus) => void
}

/** What happened to a connection. */
export type NatsStatus =
  | { readonly kind: 'disconnected' | 'reconnected'; readonly server: string }
  | { readonly kind: 'error'; readonly error: Error }
  | { readonly kind: 'closed' }

/** Counts since the bus was made. */
export interface NatsCounters {
  /** Incoming messages dropped because too many waited for their handlers. */
  shedIncoming: number
  /** Outgoing messages dropped because the server did not take them as fast as they came. */
  shedOutgoing: number
  /** Wire messages dropped because they were no frame of a version that is known here, or had an impossible reply subject. */
  malformed: number
  /** Messages published while there was no connection. */
  lostWhileDisconnected: number
  reconnects: number
}

/** A bus on a NATS connection. */
export interface NatsBus extends Bus {
  readonly counters: Readonly<NatsCounters>
}

/** No server of NATS answered at first, or the one that did refuses us. */
export class NatsConnectionError extends Error {
  override readonly name = 'NatsConnectionError'
  readonly code = 'no-nats'

  constructor(servers: NatsOptions['servers'], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(
      `No connection to NATS at ${String(servers)}: ${reason}. Check the address, and that a server runs there and admits us.`,
      { cause },
    )
  }
}

/**
 * Connects to NATS, and reconnects for ever once that succeeded.
 * @throws NatsConnectionError when no server answers, unless `waitOnFirstConnect`, or when the server refuses
 */
export async function connectNats(options: NatsOptions): Promise<NatsBus> {
  const { servers, name, credentials, tls, waitOnFirstConnect = false, onStatus } = options
  const connecting = connect({
    ...credentials,
    ...(tls && { tls }),
    servers: typeof servers === 'string' ? servers : [...servers],
    name,
    waitOnFirstConnect,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: reconnectWaitMs,
    reconnectJitter: reconnectJitterMs,
    pingInterval: pingIntervalMs,
    noAsyncTraces: true,
  })
  const connection = await connecting.catch((cause: unknown) => {
    throw new NatsConnectionError(servers, cause)
  })
  return new ConnectedBus(connection, onStatus ?? (() => {}))
}

class ConnectedBus implements NatsBus {
  readonly counters: NatsCounters = {
    shedIncoming: 0,
    shedOutgoing: 0,
    malformed: 0,
    lostWhileDisconnected: 0,
    reconnects: 0,
  }
  readonly #connection: NatsConnection
  readonly #onStatus: (status: NatsStatus) => void
  readonly #inbox = new Inbox(() => this.counters.shedIncoming++, surface)
  readonly #outbox = new Outbox()
  readonly #flushes = new Set<() => void>()
  readonly #noResponders = new NoResponders((filter) => this.#listenForNobody(filter))
  #maxFrameBytes: number
  #connected = true
  #closing: Promise<void> | undefined
  #sendPlanned = false
  #unconfirmedBytes = 0
  #confirming = false

  constructor(connection: NatsConnection, onStatus: (status: NatsStatus) => void) {
    this.#connection = connection
    this.#onStatus = onStatus
    this.#maxFrameBytes = connection.info?.max_payload ?? 0
    void this.#follow()
  }

  get maxPayloadBytes(): number {
    return this.#maxFrameBytes - frameHeaderBytes - messageHeaderBytes
  }

  publish(subject: string, payload: Uint8Array, options: PublishOptions = {}): void {
    assertPublish(subject, options)
    if (payload.length > this.maxPayloadBytes) {
      throw new PayloadTooLargeError(subject, payload.length, this.maxPayloadBytes)
    }
    if (!this.#connected || this.#closing !== undefined) {
      this.counters.lostWhileDisconnected++
      return
    }
    if (this.#outbox.bytes + this.#unconfirmedBytes + payload.length > maxOutgoingBytes) {
      this.counters.shedOutgoing++
      return
    }
    this.#outbox.add(subject, options.replyTo, payload, options.onNoResponders, this.#maxFrameBytes)
    if (this.#sendPlanned) return
    this.#sendPlanned = true
    setImmediate(() => this.#send())
  }

  subscribe(subject: string, handler: (message: BusMessage) => void, options: SubscribeOptions = {}): Subscription {
    assertFilter(subject)
    if (this.#closing !== undefined) return { unsubscribe: () => {} }
    let active = true
    const subscription = this.#connection.subscribe(subject, {
      ...(options.queue !== undefined && { queue: options.queue }),
      callback: (error, message) => {
        if (error === null)
          this.#receive(message, (received) => active && this.#closing === undefined && handler(received))
      },
    })
    return {
      unsubscribe: () => {
        active = false
        subscription.unsubscribe()
      },
    }
  }

  flush(): Promise<void> {
    this.#send()
    return new Promise((resolve, reject) => {
      const attempt = (): void => {
        if (this.#closing !== undefined) {
          this.#flushes.delete(attempt)
          reject(new Error('The bus is closed: nothing can be flushed any more.'))
        } else if (this.#connected) {
          // Fails when the connection breaks meanwhile; the next attempt comes with the next connection.
          this.#connection.flush().then(
            () => this.#flushes.delete(attempt) && resolve(),
            () => {},
          )
        }
      }
      this.#flushes.add(attempt)
      attempt()
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.#send()
    try {
      if (this.#connected) await this.#connection.drain()
    } catch {
      // The connection broke meanwhile: there is nothing left to drain.
    }
    await this.#connection.close()
  }

  /** Keeps up with what happens to the connection. */
  async #follow(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#lose(status.server)
      else if (status.type === 'reconnect') this.#regain(status.server)
      else if (status.type === 'error') this.#onStatus({ kind: 'error', error: status.error })
    }
    this.#connected = false
    this.#closing ??= Promise.resolve()
    this.#attemptFlushes()
    this.#onStatus({ kind: 'closed' })
  }

  #lose(server: string): void {
    this.#connected = false
    for (const { messages } of this.#outbox.take()) this.counters.lostWhileDisconnected += messages.length
    this.#onStatus({ kind: 'disconnected', server })
  }

  #regain(server: string): void {
    this.#connected = true
    this.#unconfirmedBytes = 0
    this.#maxFrameBytes = this.#connection.info?.max_payload ?? this.#maxFrameBytes
    this.counters.reconnects++
    this.#attemptFlushes()
    this.#onStatus({ kind: 'reconnected', server })
  }

  #attemptFlushes(): void {
    for (const attempt of [...this.#flushes]) attempt()
  }

  /** Sends what was published in this turn. */
  #send(): void {
    this.#sendPlanned = false
    for (const parcel of this.#outbox.take()) this.#sendParcel(parcel)
    if (this.#unconfirmedBytes > confirmAfterBytes) void this.#confirm()
  }

  #sendParcel({ subject, replyTo, messages, onNoResponders, bytes }: Parcel): void {
    const countedReply = replyTo !== undefined && onNoResponders.length > 0
    const reply = countedReply ? this.#noResponders.expect(replyTo, onNoResponders) : replyTo
    const frame = encodeFrame({ messages, countedReply })
    try {
      this.#connection.publish(subject, frame, reply === undefined ? {} : { reply })
      this.#unconfirmedBytes += bytes
    } catch {
      // Closed in this very turn, or reconnected to a server that takes less: lost, as on a broken wire.
      this.counters.lostWhileDisconnected += messages.length
    }
  }

  /** Learns how much of what was sent has reached the server. */
  async #confirm(): Promise<void> {
    if (this.#confirming) return
    this.#confirming = true
    const sent = this.#unconfirmedBytes
    try {
      await this.#connection.flush()
      this.#unconfirmedBytes = Math.max(0, this.#unconfirmedBytes - sent)
    } catch {
      // Disconnected: what was on the way is lost, and counting begins afresh.
    } finally {
      this.#confirming = false
    }
  }

  #receive(message: Msg, handler: (message: BusMessage) => void): void {
    if (saysNoResponders(message)) {
      this.#callNoResponders(message.subject)
      return
    }
    const frame = decodeFrame(message.data)
    const replyTo = frame?.countedReply ? withoutLastToken(message.reply) : message.reply || undefined
    const isReplyPossible = replyTo === undefined ? !frame?.countedReply : isSubject(replyTo)
    if (frame === undefined || !isReplyPossible) {
      this.counters.malformed++
      return
    }
    const { subject } = message
    for (const payload of frame.messages) {
      this.#inbox.accept(payload.length, () => handler({ subject, payload, replyTo }))
    }
  }

  #listenForNobody(filter: string): () => void {
    const subscription = this.#connection.subscribe(filter, {
      callback: (error, message) => {
        if (error === null && saysNoResponders(message)) this.#callNoResponders(message.subject)
      },
    })
    return () => subscription.unsubscribe()
  }

  /** The server tells one subscription only, whichever of ours it finds first. */
  #callNoResponders(countedReply: string): void {
    for (const callback of this.#noResponders.notice(countedReply)) {
      this.#inbox.accept(0, () => this.#closing === undefined && callback())
    }
  }
}

/** The server's own word, not a message of anybody's. */
function saysNoResponders(message: Msg): boolean {
  if (message.data.length > 0) return false
  try {
    return message.headers?.code === 503
  } catch {
    return false // header lines that cannot be read: no server wrote them
  }
}

function withoutLastToken(subject: string | undefined): string | undefined {
  const end = subject?.lastIndexOf('.') ?? -1
  return end > 0 ? subject?.slice(0, end) : undefined
}

/** Throws in a turn of its own: a handler's failure stops the process, not the connection's reader in the middle of a read. */
function surface(error: unknown): void {
  setImmediate(() => {
    throw error
  })
}
