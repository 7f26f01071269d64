import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A wire to a server that can be cut at the worst moment. */
export class Wire implements AsyncDisposable {
  readonly #server: Server
  #cutAfter: string | undefined
  #turns = 0
  #isServersTurn = false
  readonly #clients = new Set<Socket>()

  private constructor(serverPort: number) {
    this.#server = createServer((client) => {
      const server = connect(serverPort, '127.0.0.1')
      let isCut = false
      this.#clients.add(client)
      client.on('error', () => undefined).on('close', () => server.destroy())
      server.on('error', () => undefined).on('close', () => client.destroy())
      client.on('data', (bytes) => {
        if (!this.#isServersTurn) this.#turns += 1
        this.#isServersTurn = true
        if (this.#cutAfter !== undefined && bytes.includes(this.#cutAfter)) {
          this.#cutAfter = undefined
          isCut = true
        }
        server.write(bytes)
      })
      server.on('data', (bytes) => {
        this.#isServersTurn = false
        if (isCut) client.destroy()
        else client.write(bytes)
      })
    })
  }

  static async to(serverPort: number): Promise<Wire> {
    const wire = new Wire(serverPort)
    wire.#server.listen(0, '127.0.0.1')
    await once(wire.#server, 'listening')
    return wire
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${(this.#server.address() as AddressInfo).port}/postgres`
  }

  /** Round trips so far: how often a client spoke after the server had. */
  get turns(): number {
    return this.#turns
  }

  /** Passes the next message with this text on, and cuts the connection when it is answered, instead of the answer. */
  loseAnswerTo(text: string): void {
    this.#cutAfter = text
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    for (const client of this.#clients) client.destroy()
    await once(this.#server, 'close')
  }
}
