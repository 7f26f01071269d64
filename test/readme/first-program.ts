import { connect } from '@verdict/client'
import { defineParticipant, operation } from '@verdict/participant'
import { memoryResource, type SimulatedSession, startInProcess } from '@verdict/testing'
import { z } from 'zod'

const input = z.object({ cents: z.number().int() })
const run = ({ cents }: { cents: number }, { table }: SimulatedSession) => table.add('balance', cents, { min: 0 })
const deposit = operation({ input, run })
await using verdict = await startInProcess() // in production: NATS, three coordinators, your own databases
const alice = defineParticipant({ name: 'alice', resource: memoryResource({ balance: 100 }), operations: { deposit } })
const bob = defineParticipant({ name: 'bob', resource: memoryResource({ balance: 0 }), operations: { deposit } })
await using _alice = await alice.serve(verdict)
await using _bob = await bob.serve(verdict)
await using client = await connect({ world: verdict.world, owner: 'readme' })
const { value } = await client.transaction(async (tx) => [
  await tx.on<typeof alice>('alice').deposit({ cents: -70 }),
  await tx.on<typeof bob>('bob').deposit({ cents: 70 }),
])
console.log(value) // [ 30, 70 ]: both take effect, or neither
