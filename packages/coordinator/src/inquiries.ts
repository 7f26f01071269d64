import {
  type Found,
  type GroupId,
  groupOf,
  type HeldBranch,
  type Inquiry,
  type InquiryAnswer,
  type Look,
  type ParticipantName,
  type Sweep,
  type SweepAnswer,
} from '@verdict/protocol'
import type { Calls } from './calls.ts'
import type { Commits } from './commits.ts'
import type { Deliveries } from './deliveries.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import { answerHolder, answerSweep, isCounted, lookUp, restsOnRecord } from './inquiry.ts'
import type { Asker, Post } from './post.ts'
import { type ReadableSpace, recordOf } from './records.ts'
import { isReleased } from './releases.ts'
import type { Troubles } from './troubles.ts'

export interface InquiriesPorts {
  readonly group: GroupId
  readonly space: ReadableSpace
  readonly post: Post
  readonly calls: Calls
  readonly commits: Commits
  readonly deliveries: Deliveries
  readonly troubles: Troubles
  /** Runs once leadership is confirmed; `giveUp` when it cannot be. */
  readonly onceConfirmed: (say: () => void, giveUp?: (why: string) => void) => void
  /** Refuses a request that cannot be answered. */
  readonly fail: (subject: string, asker: Asker, why: string) => void
}

/** Answers looks, holders and sweeps from the applied state; what is not recorded is told only once leadership was confirmed. */
export class Inquiries {
  private readonly ports: InquiriesPorts

  constructor(ports: InquiriesPorts) {
    this.ports = ports
  }

  /** A record that is applied may be told at once; that there is none only after leadership was confirmed (rules R1, R3). */
  look(subject: string, message: Look, asker: Asker): void {
    const { space, group, calls, fail, onceConfirmed } = this.ports
    const { ids } = message
    const ended = calls.looked(message)
    const foreign = ids.find((id) => groupOf(id) !== group)
    if (foreign !== undefined) {
      const why = `transaction ${foreign} belongs to another group: ask that one`
      fail(subject, asker, why)
      ended(why)
      return
    }
    const find = (): Found[] => ids.map((id) => lookUp(recordOf(space, id), horizonOf(space), id))
    const tell = (found: readonly Found[]): void => {
      this.tellFound(asker, found)
      ended()
    }
    const found = find()
    if (found.every(({ kind }) => kind === 'recorded')) tell(found)
    else onceConfirmed(() => tell(find()), ended)
  }

  /** Many long records may not fit into one message: then only the first ones are told, and the rest is asked for again. */
  private tellFound(asker: Asker, found: readonly Found[]): void {
    const halvings = Array.from({ length: Math.ceil(Math.log2(found.length)) + 1 }, (_, times) =>
      found.slice(0, Math.ceil(found.length / 2 ** times)),
    )
    const epoch = epochOf(this.ports.space)
    this.ports.post.answer(asker, ...halvings.map((part) => ({ type: 'looked', epoch, found: part }) as const))
  }

  inquired(participant: ParticipantName, { instance, branches }: Inquiry): void {
    const { space, group, post, troubles, onceConfirmed } = this.ports
    const mine = branches.filter(({ id }) => groupOf(id) === group)
    if (mine.length === 0) return
    const answers = mine.flatMap((held) => {
      const answered: InquiryAnswer['answers'][number][] = []
      troubles.contain(held.id, () => answered.push(this.answerHolder(participant, held)))
      return answered
    })
    if (answers.length === 0) return
    const tell = (): void => {
      const horizon = horizonOf(space)
      post.tell(participant, instance, { type: 'inquiryAnswer', answers, horizon } satisfies InquiryAnswer)
    }
    if (answers.every(restsOnRecord)) tell()
    else onceConfirmed(tell)
  }

  private answerHolder(participant: ParticipantName, held: HeldBranch): InquiryAnswer['answers'][number] {
    const { space, commits } = this.ports
    const letGo = (): boolean => isReleased(space, held.id, participant)
    const answer = answerHolder(recordOf(space, held.id), horizonOf(space), participant, held, letGo)
    if (answer !== 'unknown') return answer
    commits.takeUp(participant, held)
    return { id: held.id, digest: held.digest, answer: 'pending' }
  }

  /** A sweep is an acknowledgement for what is kept. What is gone is told once leadership is confirmed (rule R12). */
  swept(participant: ParticipantName, { instance, rows }: Sweep): void {
    const { space, group, post, deliveries, troubles, onceConfirmed } = this.ports
    const mine = rows.filter(({ id }) => groupOf(id) === group)
    if (mine.length === 0) return
    for (const { id, digest, token } of mine) {
      const record = recordOf(space, id)
      if (record === undefined || !isCounted(record, participant, token)) continue
      // List and outcome are looked at as with any acknowledgement.
      const ack = { type: 'ack', id, digest, instance, applied: 'committed' } as const
      troubles.ended(id, participant)
      troubles.contain(id, () => deliveries.acknowledged(participant, ack))
    }
    onceConfirmed(() => {
      const horizon = horizonOf(space)
      const answers = mine.map(({ id }) => answerSweep(recordOf(space, id), horizon, id))
      post.tell(participant, instance, { type: 'sweepAnswer', answers, horizon } satisfies SweepAnswer)
    })
  }
}
