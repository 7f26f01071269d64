import { createHistogram } from 'node:perf_hooks'
import type { Measured, Round } from './generator-process.ts'

/** Answers still missing so long after the end of a round are lost: what was measured cannot be trusted then. */
const patienceMs = 10_000

/** Writes, and says by the callback whether the answer was that it is done. */
export type Write = (whenAnswered: (isDone: boolean) => void) => void

/** Keeps so many writes in flight: each answer begins the next. Callbacks, since promises would cost the load more than the writes. */
export function measure(write: Write, { inFlight, warmUpMs, measureMs }: Round): Promise<Measured> {
  const { promise, resolve, reject } = Promise.withResolvers<Measured>()
  const histogram = createHistogram()
  const beginMs = performance.now() + warmUpMs
  const endMs = beginMs + measureMs
  const counted = { committed: 0, refused: 0 }
  let open = inFlight
  const late = setTimeout(
    () => reject(new Error(`${open} writes of ${inFlight} were never answered.`)),
    warmUpMs + measureMs + patienceMs,
  )
  const finish = (): void => {
    clearTimeout(late)
    const [p50Ms, p99Ms] = [histogram.percentile(50) / 1_000, histogram.percentile(99) / 1_000]
    resolve({ perSecond: counted.committed / (measureMs / 1_000), p50Ms, p99Ms, ...counted })
  }
  const next = (startedMs: number): void =>
    write((isDone) => {
      const nowMs = performance.now()
      if (nowMs >= beginMs && nowMs <= endMs) {
        if (isDone) histogram.record(Math.max(1, Math.round((nowMs - startedMs) * 1_000)))
        counted[isDone ? 'committed' : 'refused'] += 1
      }
      if (nowMs < endMs) next(nowMs)
      else if (--open === 0) finish()
    })
  for (let place = 0; place < inFlight; place += 1) next(performance.now())
  return promise
}
