import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 5
const patienceMs = 60_000 // well within a test's time, so that the reason is told and not only that time is over

/** Looks until there is something to see. @throws Error when there is nothing within a minute. */
export async function until<T>(look: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  const endsAtMs = performance.now() + patienceMs
  while (performance.now() < endsAtMs) {
    const found = await look()
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>
    await sleep(pollMs)
  }
  throw new Error(`Not seen within ${patienceMs / 1000} s: ${look.toString()}`)
}
