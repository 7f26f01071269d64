import { createLog } from '@verdict/telemetry'
import { expect, test } from 'vitest'
import { EventLog } from '../src/event-log.ts'

interface Line {
  readonly level: number
  readonly msg: string
  readonly dropped?: number
}

function recorded(): { readonly events: EventLog; readonly lines: Line[] } {
  const lines: Line[] = []
  const destination = { write: (text: string) => void lines.push(JSON.parse(text) as Line) }
  const log = createLog({ name: 'coordinator', level: 'debug', destination })
  return { events: new EventLog(log), lines }
}

const fatal = 60 // as pino counts

test('a failure of the replica is fatal, with its cause', () => {
  const { events, lines } = recorded()
  events.write({ kind: 'raft', event: { kind: 'failed', error: new Error('the disk is full') } })
  expect(lines).toMatchObject([{ level: fatal, err: { message: 'the disk is full' } }])
})

test('a flood of messages that cannot be used writes few lines, whoever noticed them', () => {
  const { events, lines } = recorded()
  for (let count = 0; count < 500; count++) {
    events.write({ kind: 'unusableMessage', subject: 'verdict.v1.group.x.y', why: 'damaged' })
    events.write({ kind: 'raft', event: { kind: 'malformed', subject: 'verdict.v1.raft.x', why: 'damaged', count } })
  }
  expect(lines.map(({ dropped }) => dropped)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
})

test('what each batch and each decision does is not logged', () => {
  const { events, lines } = recorded()
  events.write({ kind: 'settled', count: 3 })
  events.write({ kind: 'raft', event: { kind: 'appended', entries: 3, flushMs: 1 } })
  events.write({ kind: 'raft', event: { kind: 'applied', index: 3, entries: 3 } })
  expect(lines).toEqual([])
})
