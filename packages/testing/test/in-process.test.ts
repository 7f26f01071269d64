import { connect } from '@verdict/client'
import { defineParticipant, operation, refuse } from '@verdict/participant'
import { type MemoryResource, memoryResource, type SimulatedSession, startInProcess } from '@verdict/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'

function defineBank(name: string, resource: MemoryResource) {
  return defineParticipant({
    name,
    resource,
    operations: {
      move: operation({
        input: z.object({ account: z.string(), cents: z.number() }),
        async run({ account, cents }, { table }: SimulatedSession) {
          const balance = Number(await table.get(account))
          if (balance + cents < 0) throw refuse('insufficient-funds', `${account} has ${balance}`)
          return table.add(account, cents)
        },
      }),
    },
  })
}
type Bank = ReturnType<typeof defineBank>

test('a transfer between two participants commits in this process, and one that is refused changes nothing', async () => {
  await using verdict = await startInProcess()
  const { world } = verdict
  const [north, south] = [memoryResource({ anna: 100 }), memoryResource({ ben: 0 })]
  await using _north = await defineBank('north', north).serve({ world })
  await using _south = await defineBank('south', south).serve({ world })
  await using client = await connect({ world, owner: 'test' })

  const transfer = (cents: number) =>
    client.transaction(async (tx) => {
      await tx.on<Bank>('south').move({ account: 'ben', cents })
      return tx.on<Bank>('north').move({ account: 'anna', cents: -cents })
    })
  expect((await transfer(60)).value).toBe(40)
  await expect(transfer(60)).rejects.toMatchObject({ reason: { code: 'insufficient-funds' } })
  expect([north.value('anna'), south.value('ben')]).toEqual([40, 60])
  expect([north.prepared(), south.prepared()]).toEqual([0, 0])
})
