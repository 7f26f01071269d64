/** One message as a role receives it. */
export interface BusMessage {
  readonly subject: string
  readonly payload: Uint8Array
  /** Where the sender wants its answer, if it wants one. */
  readonly replyTo: string | undefined
}

export interface PublishOptions {
  /** Where the answer shall go: a subject under a subscription of the sender's own. */
  readonly replyTo?: string
  /**
   * Called when the bus knows that nobody subscribed to the subject when the message came by. A hint, never a proof: it may
   * stay out although nobody listens, and a listener may have come back since.
   */
  readonly onNoResponders?: () => void
}

export interface SubscribeOptions {
  /** Name of a queue group: each message goes to one member of the group only. */
  readonly queue?: string
}

/** A subscription under way. */
export interface Subscription {
  /** Stops delivery at once. Harmless when repeated. */
  unsubscribe(): void
}

/** Why a message cannot be published at all; everything else that happens to it on the way is silent loss. */
export class PayloadTooLargeError extends Error {
  override readonly name = 'PayloadTooLargeError'
  readonly code = 'payload-too-large'
  constructor(subject: string, sizeBytes: number, maxBytes: number) {
    super(
      `A message for ${subject} has ${sizeBytes} bytes, the bus carries at most ${maxBytes}. ` +
        'Send less in one message, or raise max_payload of the NATS servers.',
    )
  }
}

/**
 * The network, as much of it as a role may use: subjects made of tokens with dots between, `*` for one token and `>` for the
 * rest in subscriptions. Delivery is at most once in the best case; messages may be lost, doubled, delayed and reordered, and
 * roles are written for that. Messages that leave in the same turn for the same destination may travel together; receivers
 * never see that. Disposing of it closes it.
 */
export interface Bus extends AsyncDisposable {
  /** Largest payload of one message, in bytes. */
  readonly maxPayloadBytes: number
  /**
   * Sends a message and forgets it. Never blocks, never fails for want of a connection (the message is lost then). The payload
   * belongs to the bus from now on: it must not be changed afterwards.
   * @throws PayloadTooLargeError when the payload is larger than `maxPayloadBytes`.
   * @throws TypeError when the subject cannot be sent to, or `onNoResponders` comes without `replyTo`.
   */
  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void
  /** Calls `handler` for each message from now on. The handler must not throw and must not block. */
  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Subscription
  /** Resolves when everything published and subscribed so far has reached the server. Rejects when the bus is closed. */
  flush(): Promise<void>
  /** Sends what is still waiting, then ends all subscriptions and the connection. Idempotent. */
  close(): Promise<void>
}
