import type { Digest, TransactionId } from '@verdict/protocol'
import { labels } from '@verdict/protocol/telemetry'
import { type Ballot, ballotFor, busyUnderway } from './ballot.ts'
import type { SealedList } from './branch-state.ts'
import type { Doubts } from './doubts.ts'
import type { Row } from './resource.ts'
import type { Site } from './site.ts'
import { markFailed, markRefused, recordThrown, type Work } from './tracing.ts'

/** Votes that rest on what the resource shows, whichever instance put it there (rule R5). */
export class Votes {
  readonly #site: Site
  readonly #doubts: Doubts
  #looks = 0

  constructor(site: Site, doubts: Doubts) {
    this.#site = site
    this.#doubts = doubts
  }

  /** Votes, which ends the question for it. */
  cast(id: TransactionId, digest: Digest, ballot: Ballot, asked: Work | undefined): void {
    const { post, metering } = this.#site
    post.vote(id, digest, ballot)
    metering.voted(ballot.kind)
    if (asked === undefined) return
    asked.span.setAttribute(labels.vote, ballot.kind)
    if (ballot.kind === 'refused') markRefused(asked.span, ballot.reason)
    else if (ballot.kind === 'busy') markFailed(asked.span, ballot.kind)
    asked.span.end()
  }

  /** Looks, and votes under the list; `otherwise` when there is nothing. */
  async consult(
    id: TransactionId,
    { list, digest }: SealedList,
    otherwise: Ballot,
    asked: Work | undefined,
  ): Promise<void> {
    const { settings, dropped } = this.#site
    if (this.#looks >= settings.maxLooks) {
      dropped('maxLooks')
      this.cast(id, digest, busyUnderway, asked)
      return
    }
    const row = await this.look(id)
    // The list goes with the inquiry, should the instance that prepared be gone with its copy of it (rule R6).
    if (row.state === 'prepared' && row.digest === digest) {
      this.#doubts.found({ id, digest, token: row.token, list }, false)
    }
    this.cast(id, digest, ballotFor(row, digest, otherwise), asked)
  }

  /** What the resource has; `underway` when it cannot say. Never rejects. */
  async look(id: TransactionId): Promise<Row> {
    const { resource, emit } = this.#site
    this.#looks += 1
    try {
      return await resource.look(id)
    } catch (error) {
      recordThrown(error)
      emit({ kind: 'failed', id, what: 'looking for a row', error })
      return { state: 'underway' }
    } finally {
      this.#looks -= 1
    }
  }
}
