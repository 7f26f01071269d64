import { encodePacket, type Message } from '@verdict/protocol'
import type { ReplicaId } from '@verdict/raft'
import { initSimulatedStore, openSimulatedStore } from '@verdict/raft/internal'
import { Simulation } from '@verdict/runtime/simulated'
import { expect, test } from 'vitest'
import { idOf, Recorded } from '../../../test/telemetry/recorded.ts'
import type { CoordinatorEvent } from '../src/event.ts'
import { startCoordinator } from '../src/index.ts'
import { parseManifest } from '../src/manifest.ts'
import { group, id, inboxToken, instance, owner, p, prepared, q } from './samples.ts'
import { on, replicaId } from './stage.ts'
import { commit } from './traced.ts'

/** A group of one on the real log, and a process that is client and participants in one. */
function start(): {
  simulation: Simulation
  events: CoordinatorEvent[]
  say: (subject: string, message: Message) => void
} {
  const simulation = new Simulation({ seed: 1 })
  const events: CoordinatorEvent[] = []
  const members: ReplicaId[] = [replicaId]
  const manifest = parseManifest(
    JSON.stringify({ version: 1, name: 'main', incarnation: group.split('_')[1], replicas: members }),
  )
  const replica = simulation.process(replicaId, async (world) => {
    const store = openSimulatedStore({ disk: world.disk, group, replica: replicaId, members })
    await startCoordinator({
      manifest,
      replica: replicaId,
      store,
      world,
      version: '0.1.0',
      onEvent: (event) => events.push(event),
    })
  })
  initSimulatedStore({ disk: replica.disk, group, replica: replicaId, members })
  replica.start()
  const others = simulation.process('others')
  others.start()
  let request = 0
  const say = (subject: string, message: Message): void => {
    const replyTo = on.inbox(owner, inboxToken(1))
    others.world.bus.publish(subject, encodePacket({ request: ++request, message }), { replyTo })
  }
  return { simulation, events, say }
}

test('decisions that share an append are linked with it, and it with them; what nobody waits for is in none', async () => {
  using recorded = new Recorded()
  const { simulation, events, say } = start()
  recorded.follow(simulation)
  await simulation.runUntil(() => events.some(({ kind }) => kind === 'leading'), { withinMs: 3_000 })
  const numbers = [1, 2, 3]
  for (const number of numbers) say(on.group(group, owner), commit(number))
  await simulation.run({ untilMs: simulation.nowMs + 50 })
  for (const number of numbers) {
    const { digest } = commit(number)
    for (const of of [p, q]) say(on.vote(group, of), { type: 'vote', id: id(number), digest, vote: prepared(of) })
  }
  await simulation.runUntil(() => recorded.spans.filter(({ name }) => name === 'coordinator/commit').length === 3, {
    withinMs: 1_000,
  })
  const decides = recorded.spans.filter(({ name }) => name === 'decide')
  const appends = recorded.spans.filter(({ name }) => name === 'append')
  const linked = (span: (typeof decides)[number]): string[] => span.links.map(({ context }) => context.spanId)
  expect(decides).toHaveLength(3)
  expect(appends.length).toBeLessThan(3)
  expect(appends.flatMap(linked)).toEqual(decides.map(idOf))
  for (const decide of decides) {
    const own = appends.filter((append) => linked(append).includes(idOf(decide)))
    expect(linked(decide)).toEqual(own.map(idOf))
    expect(decide.events.map(({ name }) => name)).toEqual(['flushed', 'replicated'])
  }
  for (const of of [p, q]) {
    for (const number of numbers) {
      const { digest } = commit(number)
      const ack = { type: 'ack', id: id(number), digest, instance: instance(of), applied: 'committed' } as const
      say(on.vote(group, of), ack)
    }
  }
  await simulation.runUntil(() => events.some(({ kind }) => kind === 'settled'), { withinMs: 3_000 })
  expect(recorded.spans.filter(({ name }) => name === 'append')).toHaveLength(appends.length)
  expect(recorded.open).toBe(0)
})
