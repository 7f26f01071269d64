import type { Site } from './site.ts'

/** How long a branch with so much of its budget left waits for others: for a lock in a statement, or for room. In ms, at least 1. */
export function patienceMs({ world, settings }: Pick<Site, 'world' | 'settings'>, leftMs: number): number {
  // Spread, so that two transactions that wait for each other do not give up at the same moment (rule R7).
  const spread = 1 - world.random.fraction() / 4
  return Math.max(1, Math.round(Math.min(settings.lockTimeoutMs, leftMs / 2) * spread))
}
