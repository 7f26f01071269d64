import type { ParticipantName } from '@verdict/protocol'

interface Share {
  readonly count: number
  readonly bytes: number
}

const none: Share = { count: 0, bytes: 0 }

/** How many transactions wait for the vote of each participant, and how much memory they hold meanwhile. */
export class Awaited {
  private readonly shares = new Map<ParticipantName, Share>()

  of(participant: ParticipantName): Share {
    return this.shares.get(participant) ?? none
  }

  add(participant: ParticipantName, bytes: number): void {
    const share = this.of(participant)
    this.shares.set(participant, { count: share.count + 1, bytes: share.bytes + bytes })
  }

  remove(participant: ParticipantName, bytes: number): void {
    const share = this.of(participant)
    if (share.count <= 1) this.shares.delete(participant)
    else this.shares.set(participant, { count: share.count - 1, bytes: share.bytes - bytes })
  }
}
