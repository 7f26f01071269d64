import {
  type Digest,
  type LoneDurations,
  type Payload,
  parseId,
  type Reason,
  type TransactionId,
} from '@verdict/protocol'
import { unknownBranch } from './ballot.ts'
import type { Asker, Branch, BranchEffect, BranchEvent, SealedList } from './branch-state.ts'
import { lockPatienceMs } from './patience.ts'
import { notOpened } from './reason.ts'
import { type BranchNote, type CommitResult, type OpenBranch, type PrepareResult, ResourceRefusal } from './resource.ts'
import { type RunResult, runOperation } from './run.ts'
import type { Site } from './site.ts'
import { type Asked, recordThrown } from './tracing.ts'

type Effect<K extends BranchEffect['kind']> = Extract<BranchEffect, { kind: K }>

/** A branch together with what it holds in the resource. Its methods do what the branch asked for and say what came of it. */
export class Opening {
  readonly branch: Branch
  /** The question for its vote, or its owner's, until it is answered or is looked for in the resource. */
  asked: Asked | undefined
  /** Where the time of a lone commit went, once it has ended. */
  took: LoneDurations | undefined
  readonly #site: Site
  #open: OpenBranch<object> | undefined
  #call: AbortController | undefined

  constructor(site: Site, branch: Branch) {
    this.#site = site
    this.branch = branch
  }

  get id(): TransactionId {
    return this.branch.id
  }

  /** Who waits for the result of a call, if anybody does. */
  askerOf(n: number): Asker | undefined {
    return this.branch.calls[n - 1]?.askers[0]
  }

  /** Says what it has come to, if that is worth a log's or a metric's attention. */
  report(): void {
    const { id, token, stage, reason } = this.branch
    if (stage === 'open') this.#site.emit({ kind: 'opened', id, token })
    else if (stage === 'read-only') this.#site.emit({ kind: 'read-only', id })
    else if (stage === 'over') this.#site.emit({ kind: 'refused', id, reason: reason ?? unknownBranch })
  }

  /** Opens it, unless it was given up while it waited for room or for the look. */
  async open({ endsAtMs }: Effect<'open'>): Promise<BranchEvent> {
    const { resource, world, emit } = this.#site
    try {
      if (this.#mayHaveRun && (await resource.look(this.id)).state !== 'nothing') return { kind: 'met-row' }
      if (this.branch.stage !== 'opening') return { kind: 'not-opened', reason: notOpened }
      const nowMs = world.clock.nowMs()
      const lockTimeoutMs = lockPatienceMs(this.#site, endsAtMs - nowMs, nowMs - this.branch.begunAtMs)
      this.#open = await resource.open({ lockTimeoutMs, readOnly: this.branch.readOnly, id: this.id })
      return { kind: 'opened' }
    } catch (error) {
      if (error instanceof ResourceRefusal) return { kind: 'not-opened', reason: error.reason }
      recordThrown(error)
      emit({ kind: 'failed', id: this.id, what: 'opening a branch', error })
      return { kind: 'not-opened', reason: notOpened }
    }
  }

  async run({ n, operation, leftMs }: Effect<'run'>): Promise<BranchEvent> {
    const { clock } = this.#site.world
    const call = new AbortController()
    this.#call = call
    const timer = clock.after(leftMs, () =>
      call.abort(new DOMException('The time of the call is over.', 'TimeoutError')),
    )
    const { id, nonce } = this.branch
    const { session } = this.#opened()
    const run = (): Promise<RunResult> => runOperation(this.#site, { id, session, operation, signal: call.signal })
    const result = await (nonce === undefined ? this.#site.tracing.operation(operation.name, run, refusalOf) : run())
    timer.cancel()
    return { kind: 'ran', n, result }
  }

  async prepare({ digest }: SealedList, results: readonly Payload[] | undefined): Promise<PrepareResult> {
    const { metering, world } = this.#site
    const { serializable } = this.branch
    const note = { ...this.#note(digest, results), ...(serializable ? { serializable } : {}) }
    const begunAtMs = world.clock.nowMs()
    const result = await this.#end('preparing a branch', () => this.#opened().prepare(note))
    metering.prepared(world.clock.nowMs() - begunAtMs)
    return result
  }

  async commit({ sealed, results, rowAlways }: Effect<'commit'>): Promise<CommitResult> {
    const { clock } = this.#site.world
    const note = { ...this.#note(sealed.digest, results), rowAlways }
    const begunAtMs = clock.nowMs()
    const result = await this.#end('committing a lone branch', () => this.#opened().commit(note))
    const runMs = begunAtMs - (this.asked?.arrivedAtMs ?? begunAtMs)
    this.took = { runMs: rounded(runMs), commitMs: rounded(clock.nowMs() - begunAtMs) }
    return result
  }

  /** Ends it without effect; an operation that still runs is told. */
  async rollback(): Promise<void> {
    this.#call?.abort(new DOMException('The branch has ended.', 'AbortError'))
    try {
      await this.#opened().rollback()
    } catch (error) {
      this.#site.emit({ kind: 'failed', id: this.id, what: 'rolling a branch back', error })
    }
  }

  /** The question that it is asked, which whoever takes it answers. */
  takeAsked(): Asked | undefined {
    const { asked } = this
    this.asked = undefined
    return asked
  }

  /** Under an id of the caller's, another run may have prepared it here: its locks would be waited for in vain (rule R17). */
  get #mayHaveRun(): boolean {
    const { id, nonce } = this.branch
    return nonce !== undefined && parseId(id).mark === 'kept'
  }

  #note(digest: Digest, results: readonly Payload[] | undefined): BranchNote {
    const { id, token, trace } = this.branch
    const known = { ...(results === undefined ? {} : { results }), ...(trace === undefined ? {} : { trace }) }
    return { id, digest, token, ...known }
  }

  async #end<R extends PrepareResult | CommitResult>(
    what: string,
    end: () => Promise<R>,
  ): Promise<R | { readonly kind: 'busy' }> {
    try {
      return await end()
    } catch (error) {
      recordThrown(error)
      // Not known whether it succeeded: only the resource can tell, later (rules R9, R14).
      this.#site.emit({ kind: 'failed', id: this.id, what, error })
      return { kind: 'busy' }
    }
  }

  #opened(): OpenBranch<object> {
    if (this.#open === undefined)
      throw new Error(`Broken invariant: the branch of ${this.id} is used before it was opened.`)
    return this.#open
  }
}

export function whyNotOpened(event: BranchEvent): Reason | undefined {
  return event.kind === 'not-opened' ? event.reason : undefined
}

/** Microseconds are enough. */
function rounded(ms: number): number {
  return Math.max(0, Math.round(ms * 1_000) / 1_000)
}

function refusalOf(result: RunResult): Reason | undefined {
  return result.kind === 'refused' ? result.reason : undefined
}
