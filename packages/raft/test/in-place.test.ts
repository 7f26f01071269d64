import { expect, test } from 'vitest'
import type { LogStore, StoreBatch } from '../src/store.ts'
import { command, Scene } from './scene.ts'

/** What a replica asked of its store. */
interface Write {
  readonly by: string
  readonly entries: number
  /** Whether the store may keep the thread. */
  readonly inPlace: boolean
  /** Whether something that the replica sent waits for the thread. */
  readonly hasSent: boolean
}

/** All writes of three replicas, from their first leader on, while so many clients propose one command after the other. */
async function written(clients: number): Promise<{ readonly leader: string; readonly writes: readonly Write[] }> {
  const writes: Write[] = []
  const sentAtMs = new Map<string, number>()
  let opened = 0
  const watch = (store: LogStore): LogStore => {
    const by = `n${++opened}` // the scene opens them in this order
    const write = store.write.bind(store)
    return Object.assign(store, {
      write: (batch: StoreBatch, inPlace = false) => {
        const hasSent = sentAtMs.get(by) === scene.simulation.nowMs
        writes.push({ by, entries: batch.entries.length, inPlace, hasSent })
        return write(batch, inPlace)
      },
    })
  }
  const scene = new Scene(3, {}, watch)
  scene.simulation.network.observe(({ from }) => sentAtMs.set(from, scene.simulation.nowMs))
  const { id, replica } = await scene.leader()
  // Slow enough for an append to arrive while another is written.
  for (const { disk } of scene.simulation.processes.values())
    Object.assign(disk.conditions, { minFlushMs: 1, maxFlushMs: 2 })
  writes.length = 0
  const client = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await replica.propose(command('c'))
  }
  await scene.outcomes(Array.from({ length: clients }, client))
  return { leader: id, writes }
}

test('a follower writes a few entries in place, and many elsewhere; a leader writes nothing in place', async () => {
  const [few, many] = [await written(1), await written(20)]
  for (const { leader, writes } of [few, many]) {
    expect(writes.filter(({ by, inPlace }) => by === leader && inPlace)).toEqual([])
    expect(writes.filter(({ entries, inPlace }) => entries > 4 && inPlace)).toEqual([])
  }
  expect(few.writes.filter(({ by, inPlace }) => by !== few.leader && inPlace).length).toBeGreaterThan(50)
  expect(many.writes.filter(({ by, entries }) => by !== many.leader && entries > 4).length).toBeGreaterThan(50)
})

test('nothing that was sent waits for a write in place', async () => {
  const { leader, writes } = await written(3)
  const afterSending = writes.filter(({ by, entries, hasSent }) => by !== leader && entries <= 4 && hasSent)
  expect(afterSending.length).toBeGreaterThan(0)
  expect(afterSending.filter(({ inPlace }) => inPlace)).toEqual([])
})
