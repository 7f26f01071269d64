import { mkdtempSync } from 'node:fs'
import { initLmdbStore, openLmdbStore, type ReplicaId, type StateMachine, startReplica } from '@verdict/raft'
import { connectNats, systemClock, systemRandom } from '@verdict/runtime'

const numberIn = (bytes: Uint8Array | undefined) => Number(new TextDecoder().decode(bytes))
const bytesOf = (number: number) => new TextEncoder().encode(String(number))
const counter: StateMachine<number> = {
  apply(space, _index, command) {
    const count = numberIn(space.get('count')) + numberIn(command)
    space.put('count', bytesOf(count))
    return count // what whoever proposed the command is told
  },
}

const members = ['a', 'b', 'c'] as ReplicaId[] // in production each in a process and on a machine of its own
const folder = mkdtempSync('counter-')
await using bus = await connectNats({ servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222', name: 'counter' })
const elected = Promise.withResolvers<ReplicaId>()

async function start(replica: ReplicaId) {
  const options = { group: 'counter', replica, members, path: `${folder}/${replica}` }
  await initLmdbStore(options) // once in a replica's life: one that lost its store comes back under another id
  return startReplica({
    id: replica,
    store: await openLmdbStore(options),
    machine: counter,
    world: { clock: systemClock, random: systemRandom, bus },
    subject: (from, to) => `counter.${from}.${to}`,
    onEvent: ({ kind }) => kind === 'becameLeader' && elected.resolve(replica),
  })
}

const replicas = await Promise.all(members.map(start))
const leader = replicas[members.indexOf(await elected.promise)]
for (const amount of [1, 2, 39]) console.log(await leader?.propose(bytesOf(amount))) // on a majority of disks
await leader?.confirmLeadership() // nobody else leads: what the space says now is not stale
console.log(numberIn(leader?.space.get('count')))
await Promise.all(replicas.map((replica) => replica.stop()))
