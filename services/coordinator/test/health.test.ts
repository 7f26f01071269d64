import type { StatusReport } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { answer, type Life } from '../src/health.ts'

/** A replica that serves, with what matters to its health. */
function serving(report: Partial<StatusReport>): Life {
  const status = (): StatusReport => ({ term: 3, commitIndex: 20_000, appliedIndex: 20_000, ...report }) as StatusReport
  return { phase: 'serving', coordinator: { status } }
}

const following = serving({ leader: 'n2' })
const leaderless = serving({})
const lagging = serving({ leader: 'n2', appliedIndex: 9999 })
const starting: Life = { phase: 'starting' }
const stopping: Life = { phase: 'stopping' }

describe('/livez', () => {
  test.each([
    ['starts', starting],
    ['follows', following],
    ['knows no leader', leaderless],
    ['lags', lagging],
    ['stops', stopping],
  ])('is answered by a replica that %s: a restart would not help', (_, subject) => {
    expect(answer('GET', '/livez', subject)).toMatchObject({ code: 200, body: 'ok\n' })
  })
})

describe('/readyz', () => {
  test('is answered by a replica that knows its leader and has applied what is committed', () => {
    expect(answer('GET', '/readyz', following)).toMatchObject({ code: 200, body: 'ok\n' })
  })

  test.each([
    ['starts', starting, 'failed process: starting'],
    ['knows no leader', leaderless, 'failed leader: none known in term 3'],
    ['lags', lagging, 'failed applied: 9999 of 20000'],
    ['stops', stopping, 'failed process: stopping'],
  ])('is refused by a replica that %s, with the reason', (_, subject, reason) => {
    const { code, body } = answer('GET', '/readyz', subject)
    expect(code).toBe(503)
    expect(body.split('\n')).toContain(reason)
  })

  test('lists its checks when asked to', () => {
    expect(answer('GET', '/readyz?verbose', following).body).toBe(
      'ok process: serving\nok leader: n2 in term 3\nok applied: 20000 of 20000\n',
    )
  })
})

test('/status tells what the replica knows, once it has started', () => {
  expect(JSON.parse(answer('GET', '/status', following).body)).toMatchObject({ leader: 'n2', term: 3 })
  expect(answer('GET', '/status', starting).code).toBe(503)
})

test.each([
  ['GET', '/', 404],
  ['GET', '//', 404],
  ['GET', '', 404],
  ['GET', '/livez/../status', 404],
  ['POST', '/readyz', 405],
  [undefined, '/livez', 405],
])('%s %j is answered with %d', (method, url, code) => {
  expect(answer(method, url, following).code).toBe(code)
})
