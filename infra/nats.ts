import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { ended, Guard, lineOf } from './process.ts'

const tools = join(import.meta.dirname, '..', '.tools')
const executable = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'

/** A NATS server on 127.0.0.1, or the one that `NATS_URL` names. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string
  /** False for the server of `NATS_URL`: it cannot be killed or restarted from here, and `stop` leaves it alone. */
  readonly owned: boolean
  /** Ends the server as `kill -9` does; returns when it is gone. */
  kill(): Promise<void>
  /** Starts the server again on its port, after `kill`; a running one is killed first. */
  restart(): Promise<void>
  /** Ends the server for good. May be called twice. */
  stop(): Promise<void>
}

/** Starts a NATS server on a port that the system picks; fetches the program when it is missing. */
export async function startNats(): Promise<NatsServer> {
  const url = process.env['NATS_URL']
  return url ? new ForeignServer(url) : OwnServer.start()
}

/**
 * The path of the program: from PATH, from .tools/, or from Debian's package, which is unpacked into .tools/.
 * @throws Error that says the way out when there is none.
 */
export function natsProgram(): string {
  const kept = join(tools, executable)
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const present = [...folders.map((folder) => join(folder, executable)), kept].find((file) => existsSync(file))
  if (present) return present
  console.error("setup: fetching nats-server from Debian's packages")
  mkdirSync(tools, { recursive: true })
  const draft = mkdtempSync(join(tools, 'draft-'))
  try {
    copyFileSync(unpackFromDebian(draft), join(draft, executable))
    renameSync(join(draft, executable), kept) // whole at once, since another process may be doing the same
    return kept
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
    const wayOut = 'Install nats-server so that it is on PATH, or set NATS_URL to a running server'
    throw new Error(`No nats-server on PATH, and none to be had from Debian (${reason}). ${wayOut}.`)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Downloads and unpacks the package inside the draft folder: no root needed, the system stays as it is. */
function unpackFromDebian(draft: string): string {
  const apt = (...args: string[]): unknown =>
    execFileSync('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', ...args], { cwd: draft, stdio: 'pipe' })
  try {
    apt('download', 'nats-server')
  } catch {
    // No package lists on this machine yet: fetch them too, into the draft folder.
    for (const folder of ['lists/partial', 'cache/archives/partial'])
      mkdirSync(join(draft, folder), { recursive: true })
    const lists = ['-o', `Dir::State::Lists=${draft}/lists`, '-o', `Dir::Cache=${draft}/cache`]
    apt(...lists, 'update')
    apt(...lists, 'download', 'nats-server')
  }
  const archive = readdirSync(draft).find((name) => name.endsWith('.deb'))
  if (!archive) throw new Error('apt-get downloaded no package')
  execFileSync('dpkg-deb', ['-x', archive, 'root'], { cwd: draft, stdio: 'pipe' })
  return join(draft, 'root', 'usr', 'sbin', executable)
}

class OwnServer implements NatsServer {
  readonly owned = true
  readonly #program: string
  readonly #guard = new Guard('KILL')
  #child: ChildProcess | undefined
  #port = -1 // the server's way of saying that the system shall pick one

  private constructor(program: string) {
    this.#program = program
  }

  static async start(): Promise<OwnServer> {
    const server = new OwnServer(natsProgram())
    await server.restart()
    return server
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`
  }

  async restart(): Promise<void> {
    await this.kill()
    const args = ['-a', '127.0.0.1', '-p', String(this.#port)]
    const child = spawn(this.#program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    this.#guard.watch(child)
    const [, port] = await lineOf(child.stderr, /Listening for client connections on 127\.0\.0\.1:(\d+)/, 'nats-server')
    this.#port = Number(port)
  }

  async kill(): Promise<void> {
    if (!this.#child) return
    this.#child.kill('SIGKILL')
    await ended(this.#child)
    this.#child = undefined
  }

  async stop(): Promise<void> {
    await this.kill()
    this.#guard.release()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

class ForeignServer implements NatsServer {
  readonly owned = false
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  async kill(): Promise<void> {
    throw new Error(
      `The NATS server at ${this.url} is not ours to kill; unset NATS_URL so that one of our own is started.`,
    )
  }

  restart(): Promise<void> {
    return this.kill()
  }

  async stop(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
