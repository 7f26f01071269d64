import { decodeMessage } from '../../src/codec.ts'
import type { Entry } from '../../src/message.ts'

/** A message as one reads it in a trace: its kind, then its fields, entries as `index:term`. */
export function describePayload(payload: Uint8Array): string {
  const { kind, ...fields } = decodeMessage(payload)
  return `${kind} ${Object.entries(fields)
    .map(([name, value]) => `${name}=${describe(name, value)}`)
    .join(' ')}`
}

function describe(name: string, value: unknown): string {
  if (name === 'entries') return (value as readonly Entry[]).map(({ index, term }) => `${index}:${term}`).join(',')
  if (name === 'values') return (value as readonly (readonly [string, Uint8Array])[]).map(([key]) => key).join(',')
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none')
}
