import { connect, isInDoubt, isTransactionAborted } from '@verdict/client'
import { Simulation } from '@verdict/runtime/simulated'
import { expect, test } from 'vitest'
import { type Inventory, type Payments, recorded, Stage } from './stage.ts'

test('a client asks for its group until the leader answers', async () => {
  const stage = new Stage()
  stage.onHello = (nth) => nth > 2
  await stage.play((verdict) => verdict.newId())
  expect(stage.asked.map(({ type }) => type)).toEqual(['hello', 'hello', 'hello', 'hello'])
})

test('a client waits for its group no longer than its caller does', async () => {
  const stage = new Stage()
  stage.groupProcess.crash()
  let failed: unknown
  const client = stage.simulation.process('impatient', async (world) => {
    const controller = new AbortController()
    world.clock.after(5_000, () => controller.abort(new Error('enough')))
    failed = await connect({ world, owner: 'checkout', signal: controller.signal }).catch((error: unknown) => error)
  })
  client.start()
  await stage.simulation.runUntil(() => failed !== undefined, { withinMs: 10_000 })
  expect(failed).toMatchObject({ message: 'enough' })
})

test('options that cannot be used are refused before anything is sent', async () => {
  const { world } = startedProcess()
  await expect(connect({ owner: 'checkout' })).rejects.toMatchObject({ code: 'bad-option' })
  await expect(connect({ owner: 'checkout', world, servers: 'nats://nowhere' })).rejects.toMatchObject({
    code: 'bad-option',
  })
  await expect(connect({ owner: 'Check out', world })).rejects.toMatchObject({ code: 'bad-name' })
  await expect(connect({ owner: 'checkout', world, group: 'a.b' })).rejects.toMatchObject({ code: 'bad-name' })
  await expect(connect({ owner: 'checkout', world, namespace: '*' })).rejects.toMatchObject({ code: 'bad-name' })

  const stage = new Stage()
  await stage.play(async (verdict) => {
    const run = (options: object) => verdict.transaction(() => 1, options)
    for (const budgetMs of [0, -1, 1.5, Number.NaN, 20 * 60_000 + 1]) {
      await expect(run({ budgetMs })).rejects.toMatchObject({ code: 'bad-option' })
    }
    await expect(run({ wait: 'forever' })).rejects.toMatchObject({ code: 'bad-option' })
    await expect(run({ signal: {} })).rejects.toMatchObject({ code: 'bad-option' })
  })
})

test('a look tells what is recorded, and changes nothing', async () => {
  const stage = new Stage()
  stage.onLook = (_, nth) => (nth === 0 ? recorded('aborted') : { kind: 'none' })
  await stage.play(async (verdict) => {
    const id = verdict.newId()
    expect(await verdict.look(id)).toMatchObject({ kind: 'recorded', id, outcome: 'aborted' })
    expect(await verdict.look(id)).toEqual({ kind: 'none', id })
    await expect(verdict.look('order-7')).rejects.toMatchObject({ code: 'bad-id' })
  })
  expect(stage.asked.map(({ type }) => type)).toEqual(['hello', 'look', 'look'])
})

test('a look that nobody answers is in doubt', async () => {
  const stage = new Stage()
  stage.onLook = () => 'silence'
  const error = await stage.fail((verdict) => verdict.look(verdict.newId(), { budgetMs: 500 }))
  expect(isInDoubt(error)).toBe(true)
  expect(isTransactionAborted(error)).toBe(false)
})

test('closing waits for transactions that run, and takes no new ones', async () => {
  const stage = new Stage()
  stage.participant('payments')
  stage.participant('inventory')
  stage.onCommit = (_, nth) => (nth === 0 ? 'silence' : { kind: 'committed', applied: false, hazards: [] })
  await stage.play(async (verdict) => {
    const running = verdict.transaction(async (tx) => {
      await tx.on<Payments>('payments').audit()
      await tx.on<Inventory>('inventory').reserve({ sku: 'tea' })
    })
    let closed = false
    const closing = verdict.close().then(() => {
      closed = true
    })
    await expect(verdict.transaction(() => 1)).rejects.toMatchObject({ code: 'closed' })
    expect(closed).toBe(false)
    expect((await running).outcome).toBe('committed')
    await closing
    await verdict.close()
  })
})

function startedProcess() {
  const process = new Simulation({ seed: 1 }).process('client')
  process.start()
  return process
}
