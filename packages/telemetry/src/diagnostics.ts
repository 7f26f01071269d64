import type { DiagLogger } from '@opentelemetry/api'
import type { Log } from './log.ts'

/** Different messages that are counted each for itself; whatever comes beyond them is counted together. */
const maxMessages = 100

/**
 * Writes what the SDK says of itself to the service's log. The 1st, 2nd, 4th, 8th … time that it says the same: a collector
 * that is down for a day shall not fill the disk with lines.
 */
export function diagnosticsTo(log: Log): DiagLogger {
  const counts = new Map<string, number>()
  const warn = (said: unknown, ...details: unknown[]): void => {
    const what = [said, ...details].map(textOf).join(' ')
    const key = counts.has(what) || counts.size < maxMessages ? what : ''
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    if (Number.isInteger(Math.log2(count))) log.warn({ count }, `OpenTelemetry: ${what}`)
  }
  const debug = (...said: unknown[]): void => log.debug(`OpenTelemetry: ${said.map(textOf).join(' ')}`)
  return { error: warn, warn, info: debug, debug, verbose: debug }
}

/** The SDK says an error as it is, or as a JSON object of its texts. */
function textOf(said: unknown): string {
  if (said instanceof Error) return said.message
  if (typeof said !== 'string') return JSON.stringify(said) ?? String(said)
  try {
    const { message } = JSON.parse(said) as { readonly message?: unknown }
    return typeof message === 'string' && message !== '' ? message : said
  } catch {
    return said
  }
}
