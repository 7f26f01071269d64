import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { type Answer, encodePacket, makeToken } from '@verdict/protocol'
import { frameOf, packetsIn } from './wire.ts'

const bodyAt = 9
const inbox = `verdict.v1.ans.stranger.${makeToken(randomBytes(12))}`

/** Bytes that anybody on the network could send, by what is wrong with them. */
export const hostilePayloads: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(),
  garbage: Uint8Array.from({ length: 500 }, (_, at) => (at * 151 + 13) % 256),
  'a frame of a later version': changed(frameOf(hello()), { at: 0, to: 9 }),
  'a frame that is cut off': frameOf(hello()).subarray(0, -3),
  'a length of four gigabytes': changed(frameOf(hello()), { at: 2, to: 255 }),
  'many empty messages': frameOf(...Array.from({ length: 5_000 }, () => new Uint8Array())),
  'a packet that is cut off': frameOf(hello().subarray(0, -3)),
  'a packet with a damaged body': frameOf(changed(hello(), { at: bodyAt + 2, to: 0 })),
  'a packet of a later version': frameOf(changed(hello(), { at: 0, to: 9 })),
  'a packet that holds no message': frameOf(packetOf(0, Buffer.from([0xc0]))),
  'lists in lists in lists': frameOf(packetOf(0, Buffer.alloc(200_000, 0x91))),
  'a text that says it has four gigabytes': frameOf(packetOf(0, Buffer.from([0xdb, 255, 255, 255, 255, 1]))),
  'a packet as large as NATS carries': frameOf(packetOf(0, Buffer.alloc(1024 * 1024 - 100, 0xc0))),
  'a message from elsewhere': frameOf(hello()),
}

/** What cannot be read, though its request number can: it is answered where an answer is due. */
export const unreadable: Readonly<Record<string, (request: number) => Uint8Array>> = {
  'a packet of a later version': (request) => frameOf(changed(hello(request), { at: 0, to: 9 })),
  'a packet that holds no message': (request) => frameOf(packetOf(request, Buffer.from([0xc0]))),
}

/** Somebody on the network who keeps to no rule. */
export class Stranger {
  readonly #connection: NatsConnection
  readonly #answers = new Map<number, Answer['type']>()
  #request = 0

  private constructor(connection: NatsConnection) {
    this.#connection = connection
    connection.subscribe(`${inbox}.>`, {
      callback: (_, { data }) => {
        for (const { request, message } of packetsIn(data)) this.#answers.set(request, message.type as Answer['type'])
      },
    })
  }

  static async on(url: string): Promise<Stranger> {
    return new Stranger(await connect({ servers: url }))
  }

  async stop(): Promise<void> {
    await this.#connection.close()
  }

  /** Says it, and returns once the server has it. */
  async say(subject: string, payload: Uint8Array): Promise<void> {
    this.#connection.publish(subject, payload, { reply: inbox })
    await this.#connection.flush()
  }

  /** Sends a request; what is returned tells the type of its answer as soon as there is one. */
  ask(subject: string, payload: (request: number) => Uint8Array): () => Answer['type'] | undefined {
    this.#request += 1
    const request = this.#request
    this.#connection.publish(subject, payload(request), { reply: inbox })
    return () => this.#answers.get(request)
  }
}

function hello(request = 0): Uint8Array {
  return encodePacket({ request, message: { type: 'hello' } })
}

/** A packet with a right checksum around any body. */
function packetOf(request: number, body: Uint8Array): Uint8Array {
  const packet = Buffer.concat([Buffer.alloc(bodyAt), body])
  packet[0] = 1
  packet.writeUInt32BE(request, 1)
  packet.writeUInt32BE(crc32(body, crc32(packet.subarray(1, 5))), 5)
  return packet
}

function changed(bytes: Uint8Array, { at, to }: { readonly at: number; readonly to: number }): Uint8Array {
  return bytes.with(at, to)
}
