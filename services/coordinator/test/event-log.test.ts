import type { OwnerName, ParticipantName, TransactionId } from '@verdict/protocol'
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

test('what somebody has to look at is an error, and what an operator did is written down: one line each', () => {
  const { events, lines } = recorded()
  const id = 'an id' as TransactionId
  const participant = 'orders' as ParticipantName
  const operator = { by: 'alice', as: 'ops' as OwnerName }
  events.write({ kind: 'hazard', id, hazard: { participant, kind: 'effects-lost', note: 'gone' } })
  events.write({ kind: 'trouble', trouble: { id, participant, kind: 'failing', note: 'disk full', ageMs: 1 } })
  events.write({ kind: 'poisoned', id, error: new Error('a fault') })
  events.write({ kind: 'overdue', id, ageMs: 60_000 })
  events.write({ kind: 'forced', id, outcome: 'aborted', ...operator })
  events.write({ kind: 'resolved', id, participant, ...operator })
  expect(lines.map(({ level }) => level)).toEqual([50, 50, 50, 50, 40, 40])
  for (const line of lines) expect(line).toMatchObject({ transaction: id })
  for (const line of lines.slice(4)) expect(line).toMatchObject(operator)
})
