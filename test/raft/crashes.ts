import { setTimeout as pause } from 'node:timers/promises'
import type { ReplicaId } from '@verdict/raft'
import type { Group } from './group.ts'
import type { Load } from './load.ts'

/** Acknowledged between one crash and the next: the group has found itself again, and carries load. */
const progressBetweenCrashes = 50
/** Longest time that a replica stays down, and longest time between a crash and the next. */
const maxDownMs = 800

/** How often each replica was killed, and in which part. */
export interface Crashes {
  readonly leaders: number
  readonly followers: number
  readonly pairs: number
}

/**
 * Kills replicas as `kill -9` does, one after another, for some time, and starts them again: the leader, a follower, or two at once, so
 * that nothing can be committed until one is back. Ends with all of them up.
 */
export async function crashReplicas(group: Group, load: Load, durationMs: number): Promise<Crashes> {
  const crashes = { leaders: 0, followers: 0, pairs: 0 }
  const endMs = performance.now() + durationMs
  for (let crash = 0; performance.now() < endMs; crash += 1) {
    const { id: leader } = await group.leader()
    const followers = [...group.replicas.keys()].filter((id) => id !== leader)
    const [kind, victims] = victimsOf(crash, leader, followers)
    crashes[kind] += 1
    await Promise.all(victims.map((id) => group.replica(id).service.kill()))
    await pause(Math.random() * maxDownMs)
    await Promise.all(victims.map((id) => group.replica(id).service.start()))
    await load.progress(progressBetweenCrashes)
  }
  return crashes
}

function victimsOf(
  crash: number,
  leader: ReplicaId,
  followers: readonly ReplicaId[],
): [kind: keyof Crashes, victims: readonly ReplicaId[]] {
  const follower = followers[crash % followers.length]
  if (follower === undefined) throw new Error('A group of one has no followers.')
  if (crash % 3 === 0) return ['leaders', [leader]]
  return crash % 3 === 1 ? ['followers', [follower]] : ['pairs', [leader, follower]]
}
