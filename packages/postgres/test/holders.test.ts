import type { Reason } from '@verdict/protocol'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { debit, makeNote, opened, Place } from './place.ts'

let place: Place
beforeAll(async () => {
  place = await Place.make()
}, 60_000)
afterAll(() => place[Symbol.asyncDispose]())

const lockTimeoutMs = 1_000

/** Why a statement failed, as the resource explains it. */
async function reasonOf(
  resource: Awaited<ReturnType<Place['start']>>,
  statement: Promise<unknown>,
): Promise<Reason | undefined> {
  return statement.then(
    () => undefined,
    (error: unknown) => resource.explain(error),
  )
}

describe('a lock that was not free in time is explained with who held it:', () => {
  test('an open branch of this instance, by its transaction', async () => {
    const resource = await place.start()
    const { id } = makeNote()
    const holder = await resource.open({ lockTimeoutMs, id })
    await debit(holder, 'a1')
    const waiter = await resource.open({ lockTimeoutMs })
    const reason = await reasonOf(resource, debit(waiter, 'a1'))
    expect(reason).toMatchObject({
      code: 'lock-timeout',
      retryable: true,
      heldBy: [{ what: 'a row', transaction: id }],
    })
    expect(reason?.message).toContain(`at account. There a row is held by transaction ${id} (ExclusiveLock).`)
    await Promise.all([holder.rollback(), waiter.rollback()])
  })

  test('a prepared branch, whichever instance prepared it', async () => {
    const [first, second] = [await place.start(), await place.start()]
    const note = await place.prepared(first, 'a2')
    const waiter = await second.open({ lockTimeoutMs })
    const reason = await reasonOf(second, debit(waiter, 'a2'))
    expect(reason?.heldBy).toEqual([{ what: 'a row', mode: 'ExclusiveLock', transaction: note.id }])
    await waiter.rollback()
    expect(await first.finish(note, 'aborted')).toBe('done')
  })

  test('anybody else, by the session', async () => {
    const resource = await place.start()
    const stranger = new pg.Client({ connectionString: place.server.url, application_name: 'night job' })
    await stranger.connect()
    await stranger.query('begin; lock table account in exclusive mode')
    const waiter = await resource.open({ lockTimeoutMs })
    const reason = await reasonOf(resource, debit(waiter, 'a3'))
    expect(reason?.heldBy).toMatchObject([{ what: 'account', mode: 'ExclusiveLock' }])
    expect(reason?.heldBy?.[0]?.other).toMatch(/^session \d+ of "night job"$/)
    await stranger.end()
    await waiter.rollback()
  })

  test('nobody is named for what was not waited for', async () => {
    const resource = await place.start()
    const branch = await opened(resource)
    const reason = await reasonOf(resource, branch.session.sql.query('update account set cents = -1'))
    expect(reason).toMatchObject({ code: 'resource-refused' })
    expect(reason?.heldBy).toBeUndefined()
    await branch.rollback()
  })
})

test('a deadlock inside the database has a code of its own, and names the other branch', async () => {
  const resource = await place.start()
  const ids = [makeNote().id, makeNote().id] as const
  const branches = await Promise.all(ids.map((id) => resource.open({ lockTimeoutMs: 20_000, id })))
  const [one, other] = branches
  if (one === undefined || other === undefined) throw new Error('Broken invariant: two were opened.')
  await Promise.all([debit(one, 'a5'), debit(other, 'a6')])
  const crossing = async (branch: typeof one, account: string): Promise<Reason | undefined> => {
    const reason = await reasonOf(resource, debit(branch, account))
    // The victim lets go of what the other one waits for.
    if (reason !== undefined) await branch.rollback()
    return reason
  }
  const [first, second] = await Promise.all([crossing(one, 'a6'), crossing(other, 'a5')])
  const victim = first ?? second
  expect(victim).toMatchObject({ code: 'deadlock', retryable: true })
  expect(victim?.heldBy).toMatchObject([{ what: 'a row', transaction: first === undefined ? ids[0] : ids[1] }])
  await Promise.all(branches.map((branch) => branch.rollback()))
})
