import type { Clock } from '@verdict/runtime'

/** `clock.after`, but at once for no delay: a database without latency needs no timers. */
export function soon(clock: Clock, delayMs: number, run: () => void): void {
  if (delayMs <= 0) run()
  else clock.after(delayMs, run)
}
