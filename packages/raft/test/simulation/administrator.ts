import type { SeededRandom } from '@verdict/runtime/simulated'
import { MembershipError, NotLeaderError, ProposalUncertainError, TransferError } from '../../src/errors.ts'
import type { ReplicaId } from '../../src/message.ts'
import type { RunningReplica } from '../../src/running-replica.ts'
import type { Group } from './group.ts'

const tickMs = 20
/** Replicas that a group may grow to, beyond those that it began with, and that it may shrink to. */
const mostNew = 2
const fewestVoters = 2
/** How many more replicas one history starts: each costs its time. */
const maxJoined = 5

/** Asks for other leaders and other members, without a thought for what is going on. */
export class Administrator {
  readonly #group: Group
  readonly #random: SeededRandom
  #stopped = false
  #joined = 0

  constructor(group: Group) {
    this.#group = group
    this.#random = group.simulation.random.fork('administrator')
  }

  start(): void {
    const { transfer, membershipChange } = this.#group.circumstances.weather
    this.#group.simulation.plan(tickMs, () => {
      if (this.#stopped) return
      const replica = this.#group.leader?.replica
      const isDue = (rate: number): boolean => replica !== undefined && this.#random.chance((rate * tickMs) / 1_000)
      if (isDue(transfer)) this.#ask(this.#transfer(replica as RunningReplica<string>))
      if (isDue(membershipChange)) this.#ask(this.#change(replica as RunningReplica<string>))
      this.start()
    })
  }

  stop(): void {
    this.#stopped = true
  }

  #transfer(replica: RunningReplica<string>): Promise<unknown> {
    const to = this.#random.pick([undefined, ...this.#group.members.map(({ id }) => id)])
    this.#group.simulation.note('administrator', `transfers to ${to ?? 'whoever is best'}`)
    return replica.transferLeadership(to)
  }

  #change(replica: RunningReplica<string>): Promise<unknown> {
    const { voters, learners } = replica.membership()
    const { circumstances, simulation } = this.#group
    const isFull = voters.length + learners.length >= circumstances.size + mostNew
    const isSmall = voters.length <= fewestVoters
    if (isSmall || (!isFull && this.#random.chance(0.5))) {
      const id = this.#newcomer(learners)
      if (id === undefined) return Promise.resolve()
      simulation.note('administrator', `adds ${id}`)
      return replica.addReplica(id)
    }
    const id = this.#random.pick([...voters, ...learners])
    simulation.note('administrator', `removes ${id}`)
    return replica.removeReplica(id)
  }

  /** Whoever began to join goes on, as often as not. */
  #newcomer(learners: readonly ReplicaId[]): ReplicaId | undefined {
    const [learner] = learners
    if (learner !== undefined && this.#random.chance(0.5)) return learner
    if (this.#joined >= maxJoined) return learner
    this.#joined++
    return this.#group.join().id
  }

  #ask(request: Promise<unknown>): void {
    request.catch((error: unknown) => {
      const isExpected = [MembershipError, NotLeaderError, ProposalUncertainError, TransferError].some(
        (kind) => error instanceof kind,
      )
      if (!isExpected) this.#group.fail(error)
    })
  }
}
