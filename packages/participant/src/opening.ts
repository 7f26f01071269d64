import { type Payload, parseId, type Reason, type TransactionId } from '@verdict/protocol'
import type { Branch, BranchEffect, BranchEvent, SealedList } from './branch-state.ts'
import { lockPatienceMs } from './patience.ts'
import { notOpened } from './reason.ts'
import { type OpenBranch, type PrepareResult, ResourceRefusal } from './resource.ts'
import { type RunResult, runOperation } from './run.ts'
import type { Site } from './site.ts'
import { recordThrown, type Work } from './tracing.ts'

type Effect<K extends BranchEffect['kind']> = Extract<BranchEffect, { kind: K }>

/** A branch together with what it holds in the resource. Its methods do what the branch asked for and say what came of it. */
export class Opening {
  readonly branch: Branch
  /** The question for its vote, until the vote leaves or is looked for in the resource. */
  asked: Work | undefined
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

  /** Opens it, unless it was given up while it waited for room or for the look. */
  async open({ endsAtMs }: Effect<'open'>): Promise<BranchEvent> {
    const { resource, world, emit } = this.#site
    try {
      if (this.#mayHaveRun && (await resource.look(this.id)).state !== 'nothing') return { kind: 'met-row' }
      if (this.branch.stage !== 'opening') return { kind: 'not-opened', reason: notOpened }
      const nowMs = world.clock.nowMs()
      const lockTimeoutMs = lockPatienceMs(this.#site, endsAtMs - nowMs, nowMs - this.branch.begunAtMs)
      this.#open = await resource.open({ lockTimeoutMs, id: this.id })
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
    const { id, token, trace, serializable } = this.branch
    try {
      return await this.#opened().prepare({
        id,
        digest,
        token,
        ...(results === undefined ? {} : { results }),
        ...(trace === undefined ? {} : { trace }),
        ...(serializable ? { serializable } : {}),
      })
    } catch (error) {
      recordThrown(error)
      // Not known whether it succeeded: only the resource can tell, later (rule R14).
      this.#site.emit({ kind: 'failed', id, what: 'preparing a branch', error })
      return { kind: 'busy' }
    }
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

  /** The question for its vote, which whoever takes it answers. */
  takeAsked(): Work | undefined {
    const { asked } = this
    this.asked = undefined
    return asked
  }

  /** Under an id of the caller's, another run may have prepared it here: its locks would be waited for in vain (rule R17). */
  get #mayHaveRun(): boolean {
    const { id, nonce } = this.branch
    return nonce !== undefined && parseId(id).mark === 'kept'
  }

  #opened(): OpenBranch<object> {
    if (this.#open === undefined)
      throw new Error(`Broken invariant: the branch of ${this.id} is used before it was opened.`)
    return this.#open
  }
}

function refusalOf(result: RunResult): Reason | undefined {
  return result.kind === 'refused' ? result.reason : undefined
}
