import { type Branch, branchWakeAtMs } from '@verdict/participant/internal'
import type { InstanceId, ParticipantName, TransactionId } from '@verdict/protocol'
import type { Choose } from './choice.ts'
import { type Doubts, noDoubts } from './doubts.ts'
import { limits } from './limits.ts'
import type { Mail, ToParticipant } from './mail.ts'
import { instanceOf } from './names.ts'
import { newResource, type Resource } from './resource.ts'

/** One life of a process of the participant. */
export interface Instance {
  readonly name: InstanceId
  isAlive: boolean
  /** The branch that it holds, or remembers as a note. */
  branch: Branch | undefined
  /** The id has an outcome here. */
  ended: boolean
  doubts: Doubts
}

export interface Participant {
  readonly name: ParticipantName
  readonly resource: Resource
  readonly instances: Instance[]
  /** Openings so far: each gets a token of its own. */
  openings: number
}

/** What may happen at a participant beside its protocol. */
export interface Nature {
  /** Ways in which preparing may end here. */
  readonly prepares: readonly ('prepared' | 'read-only' | 'refused' | 'uncertain' | 'uncertain, not prepared')[]
  /** Opening, running and preparing take time, in which anything else may happen. */
  readonly isSlow: boolean
  /** How often a branch may be opened here: by a first call that comes twice, by another run, by a one-shot that comes again. */
  readonly openings: number
  /** When an instance may die; another one starts then. */
  readonly dies: 'never' | 'at any time' | 'once prepared'
  /** A call may fail. */
  readonly callsFail: boolean
}

export type ParticipantEvent =
  | { readonly kind: 'received'; readonly instance: number; readonly mail: ToParticipant }
  | { readonly kind: 'crashed'; readonly instance: number }
  /** The database loses its prepared branch. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'inquired' | 'swept' | 'ranOut' | 'worked'; readonly instance: number }

export function newParticipant(name: ParticipantName, instances: number): Participant {
  const lives = Array.from({ length: instances }, (_, life) => newInstance(name, life))
  return { name, resource: newResource(), instances: lives, openings: 0 }
}

export function newInstance(participant: ParticipantName, life: number): Instance {
  const name = instanceOf(participant, life)
  return { name, isAlive: true, branch: undefined, ended: false, doubts: noDoubts() }
}

/** What may happen at a participant on its own. */
export function participantIdles({ instances, resource }: Participant): readonly ParticipantEvent[] {
  return instances.flatMap(({ isAlive, branch, doubts }, instance): ParticipantEvent[] => {
    if (!isAlive) return []
    const works = branch !== undefined && (branch.stage === 'opening' || branch.stage === 'preparing' || branch.running)
    const runsOut = branch !== undefined && branchWakeAtMs(branch, limits) !== undefined
    return [
      ...(works ? [{ kind: 'worked', instance } as const] : []),
      ...(runsOut ? [{ kind: 'ranOut', instance } as const] : []),
      ...(doubts.watched.size > 0 ? [{ kind: 'inquired', instance } as const] : []),
      ...(resource.row.state === 'prepared' && doubts.watched.size === 0 ? [{ kind: 'swept', instance } as const] : []),
    ]
  })
}

/** What an event meets: where it happens, and what may come of it. */
export interface Surroundings {
  readonly participant: Participant
  readonly instance: Instance
  readonly id: TransactionId
  readonly nature: Nature
  readonly send: (mail: Mail) => void
  readonly choose: Choose
}
