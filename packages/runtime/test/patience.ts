import { setImmediate } from 'node:timers/promises'

/** Longest wait for something real: far more than it takes on a loaded machine. */
const patienceMs = 20_000

/** Waits for a condition that real input and output bring about. @throws Error when it stays false */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`Waited ${patienceMs} ms in vain for ${condition.toString()}`)
    await setImmediate()
  }
}
