import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { ended, Guard, lineOf } from '../../infra/process.ts'
import type { Host } from './hosts.ts'

const restartPauseMs = 500 // as a supervisor does: quick, and no storm while what it needs is down
const stopTimeoutMs = 20_000 // longer than any of them takes to drain

export interface ProgramOptions {
  readonly name: string
  readonly host: Host
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly logFolder: string
  /** A line of its output that says that it serves. */
  readonly ready: RegExp
}

/** A process that ended while it should have run on, though nobody killed it. */
export interface Fall {
  readonly name: string
  readonly atMs: number
  readonly how: string
}

/** One process of the system, which is kept running: whenever it ends by itself it is started again. */
export class Program {
  readonly name: string
  readonly host: Host
  /** When it ended by itself after it had served. */
  readonly falls: Fall[] = []
  /** Starts that ended before it served, as while a database is down. */
  failedStarts = 0
  readonly #options: ProgramOptions
  readonly #guard = new Guard('KILL')
  readonly #readyWaiters = new Set<() => void>()
  #child: ChildProcess | undefined
  #wanted = false
  #serves = false
  #running: Promise<void> | undefined
  #readyMatch: RegExpExecArray | undefined

  constructor(options: ProgramOptions) {
    this.name = options.name
    this.host = options.host
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get serves(): boolean {
    return this.#serves
  }

  /** What the line said by which it told that it serves. */
  get ready(): RegExpExecArray | undefined {
    return this.#readyMatch
  }

  /** Wants it to run from now on; resolves when it serves. */
  async start(): Promise<void> {
    this.#wanted = true
    this.#running ??= this.#keepRunning()
    if (this.#serves) return
    await new Promise<void>((resolve) => this.#readyWaiters.add(resolve))
  }

  /** Ends it as `kill -9` does, and leaves it down until `start`. */
  async kill(): Promise<void> {
    this.#wanted = false
    this.#child?.kill('SIGKILL')
    await this.#running
  }

  /** Lets it stand still, as on a machine that is overcommitted. */
  pause(): void {
    this.#child?.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  /** Asks it to stop, and waits for its end. Returns false when it had to be killed. */
  async stop(timeoutMs: number = stopTimeoutMs): Promise<boolean> {
    this.#wanted = false
    const child = this.#child
    let obeyed = true
    const timer = setTimeout(() => {
      obeyed = false
      child?.kill('SIGKILL')
    }, timeoutMs)
    child?.kill('SIGTERM')
    child?.kill('SIGCONT')
    await this.#running
    clearTimeout(timer)
    return obeyed
  }

  /** Looks from now on for something in its log: the result says what was found. */
  watchLog(pattern: RegExp): () => string | undefined {
    const from = existsSync(this.logFile) ? statSync(this.logFile).size : 0
    return () => pattern.exec(readFileSync(this.logFile).subarray(from).toString())?.[0]
  }

  get logFile(): string {
    return join(this.#options.logFolder, `${this.name}.log`)
  }

  /** Ends it for good. */
  async end(): Promise<void> {
    await this.kill()
    this.#guard.release()
  }

  async #keepRunning(): Promise<void> {
    while (this.#wanted) {
      const child = this.#spawn()
      await ended(child)
      const served = this.#serves
      this.#serves = false
      this.#child = undefined
      if (!this.#wanted) break
      if (served) this.falls.push({ name: this.name, atMs: Date.now(), how: howItEnded(child) })
      else this.failedStarts += 1
      await new Promise((resolve) => setTimeout(resolve, restartPauseMs))
    }
    this.#running = undefined
    if (this.#wanted) this.#running = this.#keepRunning() // wanted again in this very turn
  }

  #spawn(): ChildProcess {
    const { name, host, command, environment, ready } = this.#options
    const [program = '', ...args] = [...host.launcher, ...command]
    const child = spawn(program, args, {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a terminal's Ctrl-C is for whoever started us
    })
    this.#child = child
    this.#guard.watch(child)
    const log = createWriteStream(this.logFile, { flags: 'a' })
    const output = new PassThrough()
    for (const stream of [child.stdout, child.stderr]) {
      stream.pipe(log, { end: false })
      stream.pipe(output, { end: false })
    }
    child.once('close', () => {
      output.end()
      log.end()
    })
    lineOf(output, ready, name).then(
      (match) => {
        if (this.#child !== child) return
        this.#readyMatch = match
        this.#serves = true
        for (const resolve of this.#readyWaiters) resolve()
        this.#readyWaiters.clear()
      },
      // It ended, which is noticed elsewhere, or takes too long: then it shall try again.
      () => child.kill('SIGKILL'),
    )
    return child
  }
}

function howItEnded({ exitCode, signalCode }: ChildProcess): string {
  return signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`
}
