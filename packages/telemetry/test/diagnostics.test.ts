import { expect, test } from 'vitest'
import { diagnosticsTo } from '../src/diagnostics.ts'
import { createLog } from '../src/index.ts'

interface Line {
  readonly msg: string
  readonly count: number
}

function recorded() {
  const lines: Line[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Line) }
  return { diagnostics: diagnosticsTo(createLog({ name: 'small', level: 'info', destination })), lines }
}

test('what the SDK repeats is told ever more rarely, and something new at once', () => {
  const { diagnostics, lines } = recorded()
  for (let n = 0; n < 1_000; n++) diagnostics.error('{"stack":"Error: at …","message":"connect ECONNREFUSED"}')
  expect(lines.map(({ count }) => count)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
  expect(lines[0]?.msg).toBe('OpenTelemetry: connect ECONNREFUSED')
  diagnostics.warn('a queue is full')
  expect(lines.at(-1)).toMatchObject({ msg: 'OpenTelemetry: a queue is full', count: 1 })
})

test('messages that are never the same are no way to flood the log', () => {
  const { diagnostics, lines } = recorded()
  for (let n = 0; n < 10_000; n++) diagnostics.error(`dropped span ${n}`)
  expect(lines.length).toBeLessThan(120)
})

test('an error that has no message is told all the same', () => {
  const { diagnostics, lines } = recorded()
  diagnostics.error('{"code":14}')
  diagnostics.error(new Error('the port is taken') as never)
  expect(lines.map(({ msg }) => msg)).toEqual(['OpenTelemetry: {"code":14}', 'OpenTelemetry: the port is taken'])
})
