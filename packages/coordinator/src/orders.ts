import {
  type Actor,
  type Decision,
  digestOf,
  type Operate,
  type Operated,
  type Order,
  type OwnerName,
  parseId,
  type Reason,
  type Resolution,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import type { Clock } from '@verdict/runtime'
import type { Command } from './command.ts'
import type { Commits } from './commits.ts'
import type { Applied } from './decisions.ts'
import type { Deliveries } from './deliveries.ts'
import type { CoordinatorEvent } from './event.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import { isResolved, resolvedHazards } from './hazards.ts'
import { lookUp } from './inquiry.ts'
import type { Asker, Post } from './post.ts'
import { type ReadableSpace, recordOf } from './records.ts'
import { isReleased } from './releases.ts'
import type { Troubles } from './troubles.ts'

export interface OrdersPorts {
  readonly post: Post
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly commits: Commits
  readonly deliveries: Deliveries
  readonly troubles: Troubles
  readonly decide: (decision: Decision) => Promise<Applied>
  readonly propose: (command: Command) => Promise<Applied>
  /** Says it once leadership is confirmed: that nothing is recorded is told only then (rule R3). */
  readonly onceConfirmed: (say: () => void) => void
  /** Lets holders of prepared branches ask now. */
  readonly announce: () => void
  readonly observe: (event: CoordinatorEvent) => void
}

type Ordered<K extends Order['kind']> = Extract<Order, { kind: K }>

/**
 * What operators order (rule R16). Each decision of theirs is an entry of the log like any other, and loses against what is
 * recorded. Whoever is not answered asks again, and finds what was recorded meanwhile.
 */
export class Orders {
  private readonly ports: OrdersPorts

  constructor(ports: OrdersPorts) {
    this.ports = ports
  }

  /** `as` is the name that the operator spoke under. */
  take({ id, order }: Operate, as: OwnerName, asker: Asker): void {
    switch (order.kind) {
      case 'abort':
        this.abort(id, order, as, asker)
        break
      case 'resolve':
        this.resolve(id, order, as, asker)
        break
      case 'retry':
        this.retry(id, asker)
        break
    }
  }

  private abort(id: TransactionId, { by, because }: Ordered<'abort'>, as: OwnerName, asker: Asker): void {
    const { space, commits, decide } = this.ports
    const standing = recordOf(space, id)
    if (standing !== undefined) {
      this.answer(asker, 'recorded', id)
      return
    }
    const actor = { kind: 'operator', by, as } as const
    const reason = { code: reasonCodes.operatorAborted, message: because, retryable: false }
    const decided = (applied: Applied): void => {
      if (applied.kind === 'recorded') {
        this.ports.observe({ kind: 'forced', id, outcome: applied.record.outcome, by, as })
        this.answer(asker, 'recorded', id)
      } else this.nothing(asker, id)
    }
    if (commits.force(id, actor, reason, decided)) return
    // Any other id may be decided by its participant alone: as long as nobody has asked the group, nothing may be recorded of it.
    const { epoch, mark } = parseId(id)
    if (mark !== 'kept' || epoch > epochOf(space)) {
      this.nothing(asker, id)
      return
    }
    decide(this.abortOfEveryList(id, actor, reason)).then(decided, unanswered)
  }

  private abortOfEveryList(id: TransactionId, actor: Actor, reason: Reason): Decision {
    const decidedAtMs = Math.round(this.ports.clock.wallMs())
    return { id, outcome: 'aborted', digest: digestOf(id, []), branches: [], reason, actor, decidedAtMs }
  }

  private resolve(
    id: TransactionId,
    { participant, by, because }: Ordered<'resolve'>,
    as: OwnerName,
    asker: Asker,
  ): void {
    const { clock, space, troubles, propose } = this.ports
    const record = recordOf(space, id)
    const resolution: Resolution = { by, as, because, atMs: Math.round(clock.wallMs()) }
    const order = { id, participant, resolution }
    const told = (applied: Applied): void => this.resolved(order, applied, asker)
    if (record !== undefined && resolvedHazards(record, participant, resolution) !== undefined) {
      propose({ kind: 'resolve', ...order }).then(told, unanswered)
    } else if (isReleased(space, id, participant)) this.answer(asker, 'released', id)
    else if (troubles.isQuarantined(id, participant)) propose({ kind: 'release', ...order }).then(told, unanswered)
    else if (record !== undefined && isResolved(record, participant)) this.answer(asker, 'recorded', id)
    else this.nothing(asker, id)
  }

  private resolved(
    { id, participant, resolution: { by, as } }: Omit<Extract<Command, { kind: 'resolve' }>, 'kind'>,
    applied: Applied,
    asker: Asker,
  ): void {
    if (applied.kind !== 'recorded' && applied.kind !== 'released') {
      this.nothing(asker, id)
      return
    }
    this.ports.observe({ kind: 'resolved', id, participant, by, as })
    if (applied.kind === 'recorded') this.ports.deliveries.marked(applied.record)
    this.answer(asker, applied.kind, id)
  }

  private retry(id: TransactionId, asker: Asker): void {
    const { space, deliveries, troubles, announce } = this.ports
    troubles.forgive(id)
    const record = recordOf(space, id)
    if (record?.settled) {
      this.answer(asker, 'nothing', id)
      return
    }
    if (record === undefined) announce()
    else deliveries.hurry(record)
    this.ports.onceConfirmed(() => this.answer(asker, 'tried', id))
  }

  private nothing(asker: Asker, id: TransactionId): void {
    this.ports.onceConfirmed(() => this.answer(asker, 'nothing', id))
  }

  private answer(asker: Asker, done: Operated['done'], id: TransactionId): void {
    const { post, space } = this.ports
    post.answer(asker, { type: 'operated', done, found: lookUp(recordOf(space, id), horizonOf(space), id) })
  }
}

/** Leadership is lost, or the log is overloaded: whoever leads then is asked again. */
function unanswered(): void {}
