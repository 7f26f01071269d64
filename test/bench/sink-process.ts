import { Service } from '../../infra/shop/service.ts'

/** What the sink has read since it started. */
export interface Received {
  readonly spans: number
  readonly requests: number
  readonly bytes: number
}

/** The sink of all telemetry: what it costs is told apart. */
export class Sink implements AsyncDisposable {
  readonly #service: Service

  private constructor(service: Service) {
    this.#service = service
  }

  static async start(logFolder: string): Promise<Sink> {
    const service = new Service({ name: 'sink', program: 'test/bench/sink.ts', environment: {}, logFolder })
    await service.start()
    return new Sink(service)
  }

  get url(): string {
    return `http://127.0.0.1:${this.#service.port}`
  }

  get pid(): number {
    return this.#service.pid ?? 0
  }

  async received(): Promise<Received> {
    return (await (await fetch(this.url)).json()) as Received
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service.stop()
  }
}
