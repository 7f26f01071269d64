import { connect, type Transaction, type Verdict } from '@verdict/client'
import { defineParticipant, refuse } from '@verdict/participant'
import { memoryResource, startInProcess } from '@verdict/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { serveCrowd } from './crowd.ts'
import { Recorded } from './recorded.ts'

const atATime = 100
/** So long that no transaction ends for want of time on a busy machine: that would be a series more. */
const options = { budgetMs: 100_000 }
const timeout = 120_000

function defineBank() {
  return defineParticipant({
    name: 'bank',
    resource: memoryResource(),
    operations: {
      move: {
        input: z.object({ n: z.number() }),
        async run({ n }, { table }) {
          if (n % 4 === 3) throw refuse('unlucky', 'The number is unlucky.')
          return n % 4 === 2 ? table.get(`account-${n}`) : table.add(`account-${n}`, 1)
        },
      },
    },
  })
}
type Bank = ReturnType<typeof defineBank>

/** All series of all metrics: name and attributes of each. */
async function seriesOf(recorded: Recorded): Promise<readonly string[]> {
  return (await recorded.metrics())
    .flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes }) => `${descriptor.name} ${JSON.stringify(attributes)}`),
    )
    .toSorted()
}

/** Runs something for each number, some at a time, whether it succeeds or not. */
async function each(from: number, to: number, run: (n: number) => Promise<unknown>): Promise<void> {
  let next = from
  const worker = async (): Promise<void> => {
    while (next < to) {
      const n = next
      next += 1
      await run(n).catch(() => undefined)
    }
  }
  await Promise.all(Array.from({ length: atATime }, worker))
}

test('ten thousand transactions make the series that a hundred make', { timeout }, async () => {
  using recorded = new Recorded({ spans: false })
  await using verdict = await startInProcess()
  await using _bank = await defineBank().serve(verdict)
  await using client = await connect({ world: verdict.world, owner: 'test' })
  // The bank decides half of them alone, and the group those whose ids are kept.
  const run = (n: number): Promise<unknown> => {
    const kept = n % 16 < 8 ? { ...options, id: client.newId() } : undefined
    if (n % 8 < 4) return client.submit([client.call<Bank>('bank').move({ n })], kept ?? options)
    const work = (tx: Transaction): Promise<unknown> => tx.on<Bank>('bank').move({ n })
    return kept === undefined ? client.transaction(work, options) : client.transaction(work, kept)
  }
  await each(0, 100, run)
  const few = await seriesOf(recorded)
  await each(100, 10_000, run)
  expect(await seriesOf(recorded)).toEqual(few)
  const decisions = await recorded.points('verdict.coordinator.decisions')
  expect(decisions.reduce((sum, { value }) => sum + Number(value), 0)).toBeGreaterThan(1_000)
})

/** A participant, an operation and a code that nobody has heard of before. */
function hostile(client: Verdict, n: number): Promise<unknown> {
  const operation = n % 2 === 0 ? `do-${n}` : `fail-${n}`
  if (n % 4 < 2) return client.transaction((tx) => tx.on(`p${n}`)[operation]?.(), options)
  const call = client.call(`p${n}`)[operation]?.()
  return client.submit(call === undefined ? [] : [call], options)
}

test('names and codes that somebody makes up are soon one series', { timeout }, async () => {
  using recorded = new Recorded({ spans: false })
  await using verdict = await startInProcess()
  serveCrowd(verdict.world)
  await using _bank = await defineBank().serve(verdict)
  await using client = await connect({ world: verdict.world, owner: 'test' })
  const run = (n: number): Promise<unknown> =>
    Promise.all([hostile(client, n), client.transaction((tx) => tx.on('bank')[`rob-${n}`]?.(), options)])
  await each(0, 1_000, run)
  const first = await seriesOf(recorded)
  await each(1_000, 2_000, run)
  expect(await seriesOf(recorded)).toEqual(first)
  expect(first.filter((series) => series.includes('_OTHER'))).not.toEqual([])
  expect(first.filter((series) => series.includes('otel.metric.overflow'))).toEqual([])
})
