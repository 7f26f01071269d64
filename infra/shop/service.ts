import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { ended, Guard, lineOf } from '../process.ts'

const root = join(import.meta.dirname, '..', '..')
const stopTimeoutMs = 15_000 // a service drains for at most ten seconds; then it is killed

export interface ServiceOptions {
  /** For people and for the name of the log file. */
  readonly name: string
  /** The program, from the root of the workspace. */
  readonly program: string
  readonly environment: Readonly<Record<string, string>>
  readonly logFolder: string
  /** A module that is loaded before the program. */
  readonly preload?: string
}

/** One service of the workspace as a process of its own, which can be killed and started again. */
export class Service {
  readonly name: string
  readonly #options: ServiceOptions
  readonly #guard = new Guard('KILL')
  #environment: Readonly<Record<string, string>>
  #child: ChildProcess | undefined
  #port = 0

  constructor(options: ServiceOptions) {
    this.name = options.name
    this.#options = options
    this.#environment = options.environment
  }

  /** The process id while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The port that its HTTP server listens on, for services that have one. */
  get port(): number {
    return this.#port
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  /** Starts the process and waits until it says that it serves. `environment` replaces single variables from now on. */
  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const { program, logFolder, preload } = this.#options
    this.#environment = { ...this.#environment, ...environment }
    const args = ['--conditions=@verdict/source', ...(preload ? ['--import', preload] : []), join(root, program)]
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.#environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A terminal's Ctrl-C is for whoever started us; it stops the services in their order.
      detached: true,
    })
    this.#child = child
    this.#guard.watch(child)
    const log = createWriteStream(join(logFolder, `${this.name}.log`), { flags: 'a' })
    const output = new PassThrough()
    for (const stream of [child.stdout, child.stderr]) {
      stream.pipe(log, { end: false })
      stream.pipe(output, { end: false })
    }
    child.once('close', () => output.end())
    child.once('exit', () => {
      if (this.#child === child) this.#child = undefined
    })
    const [line] = await lineOf(output, /^.*"msg":"serving".*$/, this.name)
    const { address } = JSON.parse(line) as { address?: { port: number } }
    if (address !== undefined) this.#port = address.port
  }

  /** Resolves when the process has ended by itself, or by somebody else's hand. */
  async gone(): Promise<void> {
    if (this.#child !== undefined) await ended(this.#child)
  }

  /** Ends the process as `kill -9` does; returns when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    child.kill('SIGKILL')
    await ended(child)
    this.#child = undefined
  }

  /**
   * Asks the process to stop gracefully, and kills it when it does not; it can be started again. Returns its exit code: null when it
   * had to be killed, or did not run.
   */
  async terminate(): Promise<number | null> {
    const child = this.#child
    if (child === undefined) return null
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await ended(child)
    clearTimeout(timer)
    this.#child = undefined
    return child.exitCode
  }

  /** Terminates the process for good. */
  async stop(): Promise<void> {
    await this.terminate()
    this.#guard.release()
  }
}
