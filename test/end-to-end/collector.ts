import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** How a collector of telemetry treats who sends it something. */
export type Manner =
  | 'refuses connections'
  | 'never answers'
  | 'answers late'
  | 'answers 500'
  | 'answers garbage'
  | 'works'

const lateMs = 4_000 // longer than any order may take, or any service that stops

interface TraceRequest {
  readonly resourceSpans?: readonly {
    readonly resource: {
      readonly attributes: readonly { readonly key: string; readonly value: { stringValue?: string } }[]
    }
    readonly scopeSpans: readonly { readonly spans: readonly unknown[] }[]
  }[]
}

/** A collector for OTLP as JSON that can be made to fail in different manners, always at the same address. */
export class Collector implements AsyncDisposable {
  /** Requests since its manner was set. */
  requests = 0
  /** Spans that it took while it worked, by process: `<service.name> <service.instance.id>`. */
  readonly spans = new Map<string, number>()
  #manner: Manner = 'works'
  #port = 0
  readonly #server = createServer((request, response) => {
    this.requests += 1
    this.#answer(request, response)
  })

  static async start(): Promise<Collector> {
    const collector = new Collector()
    await collector.#listen()
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** From now on; whoever still waits for an answer loses the connection. */
  async become(manner: Manner): Promise<void> {
    this.#manner = manner
    await this.#close()
    this.requests = 0
    if (manner !== 'refuses connections') await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    switch (this.#manner) {
      case 'never answers':
        return
      case 'answers late':
        setTimeout(() => response.end('{}'), lateMs).unref()
        return
      case 'answers 500':
        response.writeHead(500).end('out of order')
        return
      case 'answers garbage':
        response.writeHead(200, { 'content-type': 'application/json' }).end('\u0000{<html>')
        return
      default:
        json(request).then(
          (body) => {
            if (request.url === '/v1/traces') this.#take(body as TraceRequest)
            response.end('{}')
          },
          () => response.destroy(), // the sender has gone
        )
    }
  }

  #take({ resourceSpans = [] }: TraceRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const of = (wanted: string): string =>
        resource.attributes.find(({ key }) => key === wanted)?.value.stringValue ?? ''
      const sender = `${of('service.name')} ${of('service.instance.id')}`
      const count = scopeSpans.reduce((sum, { spans }) => sum + spans.length, 0)
      this.spans.set(sender, (this.spans.get(sender) ?? 0) + count)
    }
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #close(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}
