import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { initLmdbStore, type RaftSettings, type ReplicaId } from '@verdict/raft'
import { Service } from '../../infra/shop/service.ts'

export interface ReplicaProcessOptions {
  readonly id: ReplicaId
  /** The group's first replicas; none for one that joins later. */
  readonly members: readonly ReplicaId[]
  readonly machine: 'ledger' | 'registers'
  readonly natsUrl: string
  /** Folder of its store. */
  readonly storeFolder: string
  readonly logFolder: string
  readonly settings?: Partial<RaftSettings>
  /** Further variables of the process. */
  readonly environment?: Readonly<Record<string, string>>
}

/** What a replica says when it stops by itself. */
export interface LastWords {
  readonly name: string
  readonly code?: string
  readonly message: string
}

/** A replica as a process of its own, with a store that was made for it. */
export class ReplicaProcess {
  readonly id: ReplicaId
  readonly service: Service
  readonly #logFile: string

  private constructor({ id, members, machine, natsUrl, storeFolder, logFolder, ...more }: ReplicaProcessOptions) {
    this.id = id
    this.#logFile = join(logFolder, `${id}.log`)
    this.service = new Service({
      name: id,
      program: 'test/raft/replica.ts',
      environment: {
        REPLICA: id,
        MEMBERS: members.join(','),
        FOLDER: storeFolder,
        NATS_URL: natsUrl,
        MACHINE: machine,
        SETTINGS: JSON.stringify(more.settings ?? {}),
        ...more.environment,
      },
      logFolder,
    })
  }

  /** Makes the store, and starts the replica on it. */
  static async start(options: ReplicaProcessOptions): Promise<ReplicaProcess> {
    const { id, members, storeFolder, logFolder } = options
    mkdirSync(logFolder, { recursive: true })
    await initLmdbStore({ path: storeFolder, group: 'test', replica: id, members })
    const replica = new ReplicaProcess(options)
    await replica.service.start()
    return replica
  }

  /** Stops the process where it stands, as a machine does that is suspended; its connection stays. */
  suspend(): void {
    this.#signal('SIGSTOP')
  }

  resume(): void {
    this.#signal('SIGCONT')
  }

  /** What it said when it stopped by itself, if it did. */
  lastWords(): LastWords | undefined {
    const lines = readFileSync(this.#logFile, 'utf8').split('\n')
    const last = lines.findLast((line) => line.startsWith('{"msg":"failed"'))
    return last === undefined ? undefined : (JSON.parse(last) as LastWords)
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.service
    if (pid !== undefined) process.kill(pid, signal)
  }
}
