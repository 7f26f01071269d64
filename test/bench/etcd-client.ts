import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'

const frameHeaderBytes = 5
const putHeaders = {
  ':method': 'POST',
  ':path': '/etcdserverpb.KV/Put',
  'content-type': 'application/grpc',
  te: 'trailers',
}

/**
 * Writes to etcd by its gRPC interface, on HTTP/2 as Node has it and nothing over it: the general library for gRPC takes more CPU for
 * each call, and on a small machine etcd would have to do without that.
 */
export class EtcdClient {
  readonly #sessions: readonly ClientHttp2Session[]
  #next = 0

  private constructor(sessions: readonly ClientHttp2Session[]) {
    this.#sessions = sessions
  }

  static async connect(url: string, connections: number): Promise<EtcdClient> {
    const sessions = Array.from({ length: connections }, () => connect(url))
    await Promise.all(sessions.map((session) => once(session, 'connect')))
    return new EtcdClient(sessions)
  }

  /** Says by the callback whether etcd answered that it is done. */
  put(key: Uint8Array, value: Uint8Array, whenAnswered: (isDone: boolean) => void): void {
    const session = this.#sessions[this.#next++ % this.#sessions.length]
    if (session === undefined) throw new Error('A client of etcd has at least one connection.')
    const stream = session.request(putHeaders)
    let status: unknown
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status']
    })
    stream.on('error', () => {}) // 'close' follows, with no status
    stream.on('close', () => whenAnswered(status === '0'))
    stream.resume()
    stream.end(putRequest(key, value))
  }
}

/** One frame of gRPC, not compressed, with an etcdserverpb.PutRequest: key in field 1, value in field 2. */
function putRequest(key: Uint8Array, value: Uint8Array): Uint8Array {
  const fields = [...fieldHeader(1, key.length), ...key, ...fieldHeader(2, value.length)]
  const frame = Buffer.allocUnsafe(frameHeaderBytes + fields.length + value.length)
  frame[0] = 0
  frame.writeUInt32BE(fields.length + value.length, 1)
  frame.set(fields, frameHeaderBytes)
  frame.set(value, frameHeaderBytes + fields.length)
  return frame
}

/** Protobuf's: number and type of the field in one byte, then the length, seven bits a byte. */
function fieldHeader(field: number, length: number): readonly number[] {
  const tag = (field << 3) | 2
  return length < 0x80 ? [tag, length] : [tag, (length & 0x7f) | 0x80, length >>> 7]
}
