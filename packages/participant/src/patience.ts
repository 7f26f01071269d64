import type { Site } from './site.ts'

/** How long a branch with so much of its budget left waits for room. In ms, at least 1. */
export function patienceMs({ world, settings }: Pick<Site, 'world' | 'settings'>, leftMs: number): number {
  return spread(world.random.fraction(), Math.min(settings.lockTimeoutMs, leftMs / 2))
}

/**
 * How long a branch waits for a lock in a statement. A transaction that just began waits half as long as one that has tried for as
 * long as one may wait, so that of two that wait for each other the older one goes on (rule R7).
 */
export function lockPatienceMs(
  { world, settings }: Pick<Site, 'world' | 'settings'>,
  leftMs: number,
  ageMs: number,
): number {
  const { lockTimeoutMs } = settings
  const byAgeMs = (lockTimeoutMs * (1 + Math.min(1, ageMs / lockTimeoutMs))) / 2
  return spread(world.random.fraction(), Math.min(byAgeMs, leftMs / 2))
}

/** Two that wait for each other must not give up at the same moment. */
function spread(fraction: number, waitMs: number): number {
  return Math.max(1, Math.round(waitMs * (1 - fraction / 4)))
}
