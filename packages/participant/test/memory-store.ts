import { trace } from '@opentelemetry/api'
import {
  type Digest,
  type Epoch,
  type GroupId,
  groupOf,
  type Outcome,
  parseId,
  type Reason,
  type TransactionId,
} from '@verdict/protocol'
import type {
  BranchKey,
  BranchNote,
  Collected,
  CommitNote,
  CommitResult,
  HeldRow,
  History,
  OpenBranch,
  PrepareResult,
  Resource,
  Row,
} from '../src/resource.ts'

export interface MemorySession {
  /** Writes a value that becomes final with the branch. */
  readonly write: (value: string) => void
}

interface Branch {
  readonly writes: string[]
  ended: boolean
}

interface Prepared extends BranchNote {
  readonly writes: readonly string[]
  history: History
}

type Method =
  | 'open'
  | 'prepare'
  | 'commit'
  | 'rollback'
  | 'finish'
  | 'look'
  | 'inDoubt'
  | 'tombstone'
  | 'raiseFloor'
  | 'collect'
  | 'forget'

/** A store in memory, shared by the instances of a participant, that a test can stop, script and read. */
export class MemoryStore {
  readonly rows = new Map<TransactionId, Exclude<Row, { state: 'prepared' | 'underway' | 'nothing' }>>()
  readonly prepared = new Map<TransactionId, Prepared>()
  /** Everything that became final. */
  readonly effects: string[] = []
  readonly floors = new Map<GroupId, Epoch>()
  /** Every method that was called, in order. */
  readonly log: string[] = []
  readonly open = new Set<Branch>()
  /** The longest wait for a lock that each opened branch was given. */
  readonly lockTimeoutsMs: number[] = []
  /** In which trace each method was called last. */
  readonly traceIds: Partial<Record<Method, string>> = {}
  capacity = 8
  durability: 'full' | 'weak' = 'full'
  readonly #held = new Map<Method, Promise<void>>()
  readonly #scripts = new Map<Method, unknown[]>()

  /** Lets the method wait until the returned function is called. */
  hold(method: Method): () => void {
    const gate = Promise.withResolvers<void>()
    this.#held.set(method, gate.promise)
    return () => {
      this.#held.delete(method)
      gate.resolve()
    }
  }

  /** What the next calls of the method answer, instead of doing anything; an Error is thrown. */
  script(method: Method, ...answers: readonly unknown[]): void {
    this.#scripts.set(method, [...(this.#scripts.get(method) ?? []), ...answers])
  }

  /** One instance's view. */
  resource(): Resource<MemorySession> {
    return {
      start: async () => ({ durability: this.durability, capacity: this.capacity }),
      open: async ({ lockTimeoutMs, readOnly = false }) => {
        this.lockTimeoutsMs.push(lockTimeoutMs)
        return this.#enter('open', () => this.#open(readOnly))
      },
      finish: async (key, ending) => this.#enter('finish', () => this.#finish(key, ending)),
      look: async (id) => this.#enter('look', () => this.#row(id)),
      inDoubt: async () => this.#enter('inDoubt', () => [...this.prepared.values()].map(heldRow)),
      tombstone: async (id, digest) => this.#enter('tombstone', () => this.#tombstone(id, digest)),
      raiseFloor: async (group, floor) => this.#enter('raiseFloor', () => this.#raiseFloor(group, floor)),
      floors: async () => new Map(this.floors),
      collect: async (group, limit, after) => this.#enter('collect', () => this.#collect(group, limit, after)),
      forget: async (ids) => this.#enter('forget', () => this.#forget(ids)),
      explain: (error) => (error instanceof Error ? explained.get(error.message) : undefined),
      stop: async () => {
        this.log.push('stop')
      },
    }
  }

  async #enter<T>(method: Method, act: () => T): Promise<T> {
    this.log.push(method)
    const active = trace.getActiveSpan()?.spanContext()
    if (active !== undefined) this.traceIds[method] = active.traceId
    await this.#held.get(method)
    if (trace.getActiveSpan()?.isRecording()) trace.getTracer('store').startSpan(`store ${method}`).end()
    const script = this.#scripts.get(method)
    if (script === undefined || script.length === 0) return act()
    const answer = script.shift()
    if (answer instanceof Error) throw answer
    return answer as T
  }

  #open(readOnly: boolean): OpenBranch<MemorySession> {
    const branch: Branch = { writes: [], ended: false }
    this.open.add(branch)
    return {
      session: {
        write: (value) => {
          if (branch.ended) throw new Error('the branch has ended')
          if (readOnly) throw new Error('the branch is read-only')
          branch.writes.push(value)
        },
      },
      prepare: async (note) => {
        branch.ended = true
        return this.#enter('prepare', () => this.#prepare(branch, note)).finally(() => this.open.delete(branch))
      },
      commit: async (note) => {
        branch.ended = true
        return this.#enter('commit', () => this.#commit(branch, note)).finally(() => this.open.delete(branch))
      },
      rollback: async () => {
        if (!branch.ended) this.log.push('rollback')
        branch.ended = true
        await this.#held.get('rollback')
        this.open.delete(branch)
      },
    }
  }

  #prepare(branch: Branch, note: BranchNote): PrepareResult {
    if (branch.writes.length === 0) return { kind: 'read-only' }
    if (this.#row(note.id).state !== 'nothing') return { kind: 'exists' }
    if (this.#isExpired(note.id)) return { kind: 'expired' }
    this.prepared.set(note.id, { ...note, writes: branch.writes, history: 'same' })
    return { kind: 'prepared' }
  }

  #commit(branch: Branch, { id, digest, token, results, rowAlways }: CommitNote): CommitResult {
    if (branch.writes.length === 0 && !rowAlways) return { kind: 'read-only' }
    if (this.#row(id).state !== 'nothing') return { kind: 'exists' }
    if (this.#isExpired(id)) return { kind: 'expired' }
    this.effects.push(...branch.writes)
    this.rows.set(id, { state: 'committed', mode: 'lone', digest, token, ...(results && { results }) })
    return { kind: 'committed' }
  }

  #finish({ id, digest, token }: BranchKey, ending: Outcome | 'discarded'): 'done' | 'absent' {
    const branch = this.prepared.get(id)
    if (branch?.digest !== digest || branch.token !== token) return 'absent'
    this.prepared.delete(id)
    if (ending === 'committed') {
      this.effects.push(...branch.writes)
      this.rows.set(id, {
        state: 'committed',
        mode: 'logged',
        digest,
        token,
        ...(branch.results && { results: branch.results }),
      })
    } else if (ending === 'aborted') this.rows.set(id, { state: 'aborted' })
    return 'done'
  }

  #row(id: TransactionId): Row {
    const branch = this.prepared.get(id)
    if (branch === undefined) return this.rows.get(id) ?? { state: 'nothing' }
    const { digest, token, history } = branch
    return { state: 'prepared', digest, token, history }
  }

  #tombstone(id: TransactionId, _digest: Digest): 'done' | 'exists' | 'expired' {
    if (this.#row(id).state !== 'nothing') return 'exists'
    if (this.#isExpired(id)) return 'expired'
    this.rows.set(id, { state: 'aborted' })
    return 'done'
  }

  #isExpired(id: TransactionId): boolean {
    return parseId(id).epoch <= (this.floors.get(groupOf(id)) ?? 0)
  }

  #raiseFloor(group: GroupId, floor: Epoch): 'raised' | 'stood' {
    if ((this.floors.get(group) ?? 0) >= floor) return 'stood'
    this.floors.set(group, floor)
    return 'raised'
  }

  #collect(group: GroupId, limit: number, after: TransactionId | undefined): Collected {
    const old = [...this.rows].filter(([id]) => groupOf(id) === group && this.#isExpired(id))
    const all = old.toSorted(([one], [other]) => (one < other ? -1 : 1))
    const passed = all.filter(([id]) => after === undefined || id > after).slice(0, limit)
    const logged = passed.flatMap(([id, row]) =>
      row.state === 'committed' && row.mode === 'logged' ? [{ id, digest: row.digest, token: row.token }] : [],
    )
    for (const [id] of passed) if (!logged.some((row) => row.id === id)) this.rows.delete(id)
    const last = passed.length < limit ? undefined : passed.at(-1)?.[0]
    return { deleted: passed.length - logged.length, logged, last }
  }

  #forget(ids: readonly TransactionId[]): void {
    for (const id of ids) if (this.#isExpired(id)) this.rows.delete(id)
  }
}

const explained = new Map<string, Reason>([
  ['lock', { code: 'lock-timeout', message: 'It waited too long for a lock.', retryable: true }],
])

function heldRow({ id, digest, token, history, trace: of }: Prepared): HeldRow {
  return { id, digest, token, history, ...(of && { trace: of }) }
}
