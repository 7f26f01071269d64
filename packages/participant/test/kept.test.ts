import { digestOf, type TransactionId } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { calledList, idOf, instanceOf, keptIdOf, payloadOf, tokenOf } from './names.ts'
import { Stage } from './stage.ts'

const busy = { kind: 'busy' }
const value = { kind: 'value', value: payloadOf({ wrote: 'b' }) }
const id = keptIdOf(1)
const list = calledList(instanceOf(1), tokenOf(7), 1)

/** What another instance left prepared. */
function leavePrepared({ store }: Stage, of: TransactionId): void {
  store.prepared.set(of, { id: of, digest: digestOf(of, list), token: tokenOf(7), writes: ['a'], history: 'same' })
}

async function call(stage: Stage, of: TransactionId): Promise<void> {
  stage.call({ operation: 'write', id: of }, { value: 'b' })
  await stage.settle()
}

describe('a first call under an id that the caller keeps (rule R17)', () => {
  test('opens a branch when the resource has nothing of the id', async () => {
    const stage = await Stage.set()
    await call(stage, id)
    expect(stage.results).toEqual([value])
  })

  test('is told busy when another run of it is prepared, and opens nothing that waits for its locks', async () => {
    const stage = await Stage.set()
    leavePrepared(stage, id)
    await call(stage, id)
    expect(stage.results).toEqual([busy])
    expect(stage.store.log).not.toContain('open')
  })

  test.each(['committed', 'aborted'] as const)('is told busy when another run of it is %s', async (state) => {
    const stage = await Stage.set()
    const row = { mode: 'logged', digest: digestOf(id, list), token: tokenOf(7) } as const
    stage.store.rows.set(id, state === 'committed' ? { state, ...row } : { state })
    await call(stage, id)
    expect(stage.results).toEqual([busy])
    expect(stage.store.log).not.toContain('open')
  })

  test('that is told busy leaves its room to others', async () => {
    const stage = await Stage.set()
    leavePrepared(stage, id)
    for (let n = 0; n <= stage.store.capacity; n += 1) await call(stage, id)
    await stage.filled()
    expect(stage.store.open.size).toBe(stage.store.capacity)
  })

  test('is refused, retryable, when the resource cannot tell', async () => {
    const stage = await Stage.set()
    stage.store.script('look', new Error('no connection'))
    await call(stage, id)
    expect(stage.results).toMatchObject([{ kind: 'refused', reason: { code: 'resource-refused', retryable: true } }])
    expect(stage.store.open.size).toBe(0)
  })

  test('opens nothing once its branch was given up while it looked', async () => {
    const stage = await Stage.set({ drainMs: 100 })
    const look = stage.store.hold('look')
    await call(stage, id)
    void stage.servings[0]?.stop()
    await stage.settle(200)
    look()
    await stage.settle()
    expect(stage.results).toMatchObject([{ kind: 'refused', reason: { code: 'draining' } }])
    expect(stage.store.log).not.toContain('open')
  })
})

test('a first call under an id of one run does not look first', async () => {
  const stage = await Stage.set()
  leavePrepared(stage, idOf(1))
  await call(stage, idOf(1))
  expect(stage.results).toEqual([value])
  expect(stage.store.log).not.toContain('look')
})
