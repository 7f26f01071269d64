import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ended, Guard, lineOf } from '../../../infra/process.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const fromSource = '--conditions=@verdict/source'

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs the command line tool as a process. */
export function verdict(...args: string[]): Promise<Ended> {
  return run('packages/cli/src/main.ts', args, {})
}

/** Runs a replica that is expected to end by itself. */
export function runReplica(environment: Readonly<Record<string, string>>): Promise<Ended> {
  return run('services/coordinator/src/main.ts', [], environment)
}

function run(program: string, args: readonly string[], environment: Readonly<Record<string, string>>): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>()
  const env = { PATH: process.env['PATH'], ...environment }
  const child = execFile(process.execPath, [fromSource, join(root, program), ...args], { env }, (_, out, err) =>
    resolve({ code: child.exitCode, out, err }),
  )
  return promise
}

/** A line of a replica's log. */
export type Line = Readonly<Record<string, unknown>>

/** One replica as a process. */
export class ReplicaProcess {
  /** What it has logged since it was started for the first time. */
  readonly lines: Line[] = []
  private readonly environment: Readonly<Record<string, string>>
  private readonly guard = new Guard('KILL')
  private child: ChildProcess | undefined
  private port = 0

  constructor(environment: Readonly<Record<string, string>>) {
    this.environment = { ...environment, VERDICT_HTTP_PORT: '0' }
  }

  /** The process started last. */
  get pid(): number | undefined {
    return this.child?.pid
  }

  /** Starts the process and waits until it logs that it serves, or another message. */
  async start(message = 'serving'): Promise<void> {
    const child = spawn(process.execPath, [fromSource, join(root, 'services/coordinator/src/main.ts')], {
      env: { PATH: process.env['PATH'], ...this.environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.child = child
    this.guard.watch(child)
    createInterface({ input: child.stdout }).on('line', (line) => this.lines.push(JSON.parse(line) as Line))
    const [line] = await lineOf(child.stdout, new RegExp(`^.*"msg":"${message}".*$`), 'the replica')
    const { address } = JSON.parse(line) as { readonly address?: { readonly port: number } }
    this.port = address?.port ?? 0
  }

  /** The code and the body that a health endpoint answers with. */
  async get(path: string): Promise<{ readonly code: number; readonly body: string }> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`)
    return { code: response.status, body: await response.text() }
  }

  /** Sends a signal and returns the exit code once the process has ended. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (this.child === undefined) return null
    this.child.kill(signal)
    await ended(this.child)
    return this.child.exitCode
  }

  /** Ends the process, and what guards it, for good. */
  async discard(): Promise<void> {
    await this.end('SIGKILL')
    this.guard.release()
  }
}
