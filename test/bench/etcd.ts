import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ended, Guard } from '../../infra/process.ts'

const memberNames = ['e1', 'e2', 'e3'] as const
const readyTimeoutMs = 60_000
const pollMs = 50

interface Address {
  readonly name: string
  readonly clientUrl: string
  readonly peerUrl: string
}

/** The path of etcd; undefined when there is none on PATH. */
export function etcdProgram(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return folders.map((folder) => join(folder, 'etcd')).find((file) => existsSync(file))
}

/** Three members of etcd on 127.0.0.1, as it comes: nothing that bears on speed or durability is set. */
export class Etcd {
  readonly pids: readonly number[]
  readonly #children: readonly ChildProcess[]
  readonly #guards: readonly Guard[]
  readonly #addresses: readonly Address[]

  private constructor(children: readonly ChildProcess[], guards: readonly Guard[], addresses: readonly Address[]) {
    this.#children = children
    this.#guards = guards
    this.#addresses = addresses
    this.pids = children.flatMap(({ pid }) => (pid === undefined ? [] : [pid]))
  }

  static async start(program: string, folder: string): Promise<Etcd> {
    const ports = await freePorts(2 * memberNames.length)
    const addresses = memberNames.map((name, place) => ({
      name,
      clientUrl: `http://127.0.0.1:${ports[2 * place]}`,
      peerUrl: `http://127.0.0.1:${ports[2 * place + 1]}`,
    }))
    const cluster = addresses.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',')
    const guards = addresses.map(() => new Guard('KILL'))
    const children = addresses.map(({ name, clientUrl, peerUrl }, place) => {
      const own = ['--name', name, '--data-dir', join(folder, name), '--initial-cluster', cluster]
      const client = ['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl]
      const peer = ['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl]
      const quiet = ['--logger', 'zap', '--log-level', 'error']
      const child = spawn(program, [...own, ...client, ...peer, ...quiet], { stdio: ['ignore', 'ignore', 'ignore'] })
      guards[place]?.watch(child)
      return child
    })
    const etcd = new Etcd(children, guards, addresses)
    await etcd.leaderUrl()
    return etcd
  }

  /** Where clients find whoever leads now: there a write costs no hop. */
  async leaderUrl(): Promise<string> {
    const endMs = performance.now() + readyTimeoutMs
    while (performance.now() < endMs) {
      for (const { clientUrl } of this.#addresses) if (await leads(clientUrl)) return clientUrl
      await pause(pollMs)
    }
    throw new Error(`etcd has no leader after ${readyTimeoutMs / 1_000} s.`)
  }

  async stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(this.#children.map(ended))
    for (const guard of this.#guards) guard.release()
  }
}

async function leads(clientUrl: string): Promise<boolean> {
  try {
    const response = await fetch(`${clientUrl}/v3/maintenance/status`, { method: 'POST', body: '{}' })
    const { header, leader } = (await response.json()) as { header?: { member_id: string }; leader?: string }
    return leader !== undefined && leader === header?.member_id
  } catch {
    return false // it is not up yet
  }
}

/** Ports that were free a moment ago: etcd cannot be told to choose its own. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      return server
    }),
  )
  return Promise.all(
    servers.map(async (server) => {
      const address = server.address()
      await new Promise((resolve) => server.close(resolve))
      return typeof address === 'object' && address !== null ? address.port : 0
    }),
  )
}
