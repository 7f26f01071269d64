import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { ended } from '../../infra/process.ts'

export interface Round {
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
}

export interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly committed: number
  readonly refused: number
}

/** The generator of the load as a process of its own: what it costs is not taken from what it measures. */
export class Generator {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  private constructor(child: ChildProcess, reader: Interface) {
    this.#child = child
    this.#reader = reader
    this.#lines = reader[Symbol.asyncIterator]()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  static async start(program: string, environment: Readonly<Record<string, string>>): Promise<Generator> {
    const child = spawn(process.execPath, ['--conditions=@verdict/source', program], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const generator = new Generator(child, createInterface({ input: child.stdout }))
    await generator.#line('serving')
    return generator
  }

  async measure(round: Round): Promise<Measured> {
    this.#child.stdin?.write(`${JSON.stringify(round)}\n`)
    return (await this.#line('measured')) as unknown as Measured
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await ended(this.#child)
    this.#reader.close()
  }

  async #line(what: string): Promise<Readonly<Record<string, unknown>>> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) throw new Error(`The generator ended before it was ${what}.`)
      const line = JSON.parse(String(value)) as Readonly<Record<string, unknown>>
      if (line['msg'] === what) return line
    }
  }
}
