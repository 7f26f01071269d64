import type { Effect } from './effect.ts'
import type { ReplicaId } from './message.ts'

/**
 * Somebody says what cannot be while all replicas keep their promises. Nothing that rests on it would be right, so it is dropped; this
 * replica goes on with what it knows itself, since a message that anybody may have forged must not end it.
 */
export function disbelieve(from: ReplicaId, why: string, effects: Effect[]): void {
  effects.push({ kind: 'notice', event: { kind: 'disbelieved', replica: from, why } })
}
