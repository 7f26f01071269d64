import type { TransactionId } from '@verdict/protocol'
import { type Ballot, ballotFor, busyUnderway } from './ballot.ts'
import type { SealedList } from './branch-state.ts'
import type { Doubts } from './doubts.ts'
import type { Row } from './resource.ts'
import type { Site } from './site.ts'

/** Votes that rest on what the resource shows, whichever instance put it there (rule R5). */
export class Votes {
  readonly #site: Site
  readonly #doubts: Doubts
  #looks = 0

  constructor(site: Site, doubts: Doubts) {
    this.#site = site
    this.#doubts = doubts
  }

  /** Looks, and votes under the list; `otherwise` when there is nothing. */
  async consult(id: TransactionId, { list, digest }: SealedList, otherwise: Ballot): Promise<void> {
    const { post, settings, dropped } = this.#site
    if (this.#looks >= settings.maxLooks) {
      dropped()
      post.vote(id, digest, busyUnderway)
      return
    }
    const row = await this.look(id)
    // The list goes with the inquiry, should the instance that prepared be gone with its copy of it (rule R6).
    if (row.state === 'prepared' && row.digest === digest) {
      this.#doubts.found({ id, digest, token: row.token, list }, false)
    }
    post.vote(id, digest, ballotFor(row, digest, otherwise))
  }

  /** What the resource has; `underway` when it cannot say. Never rejects. */
  async look(id: TransactionId): Promise<Row> {
    const { resource, emit } = this.#site
    this.#looks += 1
    try {
      return await resource.look(id)
    } catch (error) {
      emit({ kind: 'failed', id, what: 'looking for a row', error })
      return { state: 'underway' }
    } finally {
      this.#looks -= 1
    }
  }
}
