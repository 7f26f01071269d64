import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { Client, credentials } from '@grpc/grpc-js'

/** Writes to etcd, and says by the callback whether etcd answered that it is done. */
export type Put = (key: Uint8Array, value: Uint8Array, whenAnswered: (isDone: boolean) => void) => void

/** How a Node program may speak to etcd. */
export const etcdClients = ['http2', 'grpc-js'] as const
export type EtcdClient = (typeof etcdClients)[number]

const putPath = '/etcdserverpb.KV/Put'
const frameHeaderBytes = 5

/** Connects to one member, several times, and writes over each connection in turn. */
export async function connectEtcd(client: EtcdClient, url: string, connections: number): Promise<Put> {
  const puts = await Promise.all(
    Array.from({ length: connections }, () => (client === 'http2' ? overHttp2(url) : overGrpc(url))),
  )
  let next = 0
  return (key, value, whenAnswered) => puts[next++ % connections]?.(key, value, whenAnswered)
}

/** By Node's HTTP/2 and nothing over it: it leaves etcd more of a small machine's CPU than any client that people use. */
async function overHttp2(url: string): Promise<Put> {
  const session: ClientHttp2Session = connect(url)
  await once(session, 'connect')
  const headers = { ':method': 'POST', ':path': putPath, 'content-type': 'application/grpc', te: 'trailers' }
  return (key, value, whenAnswered) => {
    const stream = session.request(headers)
    let status: unknown
    stream.on('trailers', (trailers) => {
      status = trailers['grpc-status']
    })
    stream.on('error', () => {}) // 'close' follows, with no status
    stream.on('close', () => whenAnswered(status === '0'))
    stream.resume()
    stream.end(frameOf(putRequest(key, value)))
  }
}

/** By the library that clients of etcd for Node are built on. */
async function overGrpc(url: string): Promise<Put> {
  // Else the library lets all clients of one address share one connection.
  const client = new Client(new URL(url).host, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  const asIs = (bytes: Buffer): Buffer => bytes
  return (key, value, whenAnswered) => {
    client.makeUnaryRequest(putPath, asIs, asIs, putRequest(key, value), (error) => whenAnswered(error === null))
  }
}

/** An etcdserverpb.PutRequest: key in field 1, value in field 2. */
function putRequest(key: Uint8Array, value: Uint8Array): Buffer {
  return Buffer.concat([fieldHeader(1, key.length), key, fieldHeader(2, value.length), value])
}

/** Protobuf's: number and type of the field in one byte, then the length, seven bits a byte. */
function fieldHeader(field: number, length: number): Uint8Array {
  const tag = (field << 3) | 2
  return Uint8Array.from(length < 0x80 ? [tag, length] : [tag, (length & 0x7f) | 0x80, length >>> 7])
}

/** A message of gRPC, not compressed. */
function frameOf(message: Uint8Array): Uint8Array {
  const header = Buffer.alloc(frameHeaderBytes)
  header.writeUInt32BE(message.length, 1)
  return Buffer.concat([header, message])
}
