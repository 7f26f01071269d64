/** A collector that reads what it is sent and throws it away, as a process of its own. `GET /` says what it has read so far. */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Received } from './sink-process.ts'
import { countSpans } from './spans.ts'

const received = { spans: 0, requests: 0, bytes: 0 } satisfies Received

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.end(JSON.stringify(received))
    return
  }
  buffer(request).then(
    (body) => {
      received.requests += 1
      received.bytes += body.length
      if (request.url === '/v1/traces') received.spans += countSpans(body)
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    },
    () => response.destroy(), // the sender has gone
  )
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ msg: 'serving', address: server.address() })))
