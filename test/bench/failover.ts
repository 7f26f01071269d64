/**
 * What a dead leader costs: three replicas as processes, whose leader is killed as `kill -9` does, again and again. And what a slow one
 * does not: leaders that stand still for a part of the election time-out. `npm run bench:failover -- --help`.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { defaultSettings } from '@verdict/raft'
import { Group } from '../raft/group.ts'
import { Load } from '../raft/load.ts'

const usage = `npm run bench:failover -- [--json] [--kills 100] [--stalls 40]

Kills the leader so often, and prints how long it takes until a proposal is committed by the next, which is proposed every few
milliseconds meanwhile; at the default time-outs of an election. Then lets leaders stand still for a quarter, a half and nine tenths of
the shortest time-out, so often altogether, and counts the elections that follow: none was needed.
--json prints one JSON object for each of the two instead.
`

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    kills: { type: 'string', default: '100' },
    stalls: { type: 'string', default: '40' },
    help: { type: 'boolean', default: false },
  },
})

/** Between two proposals while nobody may be there to take them: as exact as the times are. */
const proposeEveryMs = 5
/** Between one kill and the next, once all are back: heartbeats have settled, and timers are not aligned with the kills. */
const settleMs = 300
const stallParts = [0.25, 0.5, 0.9] as const
const percentiles = [50, 90, 99, 100] as const

if (values.help) process.stdout.write(usage)
else {
  await using group = await Group.start({ machine: 'ledger' })
  const load = new Load(group.bus, 'failover')
  printTimes(await killLeaders(group, load, Number(values.kills)))
  printStalls(await stallLeaders(group, load, Number(values.stalls)))
}

async function killLeaders(group: Group, load: Load, kills: number): Promise<readonly number[]> {
  const times: number[] = []
  while (times.length < kills) {
    const { id } = await group.leader()
    await load.propose()
    await pause(settleMs * (1 + Math.random()))
    const { service } = group.replica(id)
    const killed = service.kill()
    times.push(await timeUntilCommitted(load))
    await killed
    await service.start()
  }
  return times
}

/** A proposal that finds nobody, or is lost, is not tried again: others follow. */
async function timeUntilCommitted(load: Load): Promise<number> {
  const startedMs = performance.now()
  const { promise, resolve } = Promise.withResolvers<number>()
  let isCommitted = false
  while (!isCommitted) {
    void load.propose().then((outcome) => {
      if (outcome !== 'committed') return
      isCommitted = true
      resolve(performance.now() - startedMs)
    })
    await pause(proposeEveryMs)
  }
  return promise
}

/** How many terms began because of leaders that stood still, for each part of the time-out. */
async function stallLeaders(
  group: Group,
  load: Load,
  stalls: number,
): Promise<readonly { readonly stallMs: number; readonly stalls: number; readonly elections: number }[]> {
  const each = Math.ceil(stalls / stallParts.length)
  const found = []
  for (const part of stallParts) {
    const stallMs = part * defaultSettings.electionTimeoutMinMs
    const { term: before } = await group.leader()
    for (let stall = 0; stall < each; stall += 1) {
      const { id } = await group.leader()
      group.replica(id).suspend()
      await pause(stallMs)
      group.replica(id).resume()
      await load.propose()
      await pause(settleMs)
    }
    const { term: after } = await group.leader()
    found.push({ stallMs, stalls: each, elections: after - before })
  }
  return found
}

function printTimes(times: readonly number[]): void {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (percentile: number): number => sorted[Math.ceil((percentile / 100) * sorted.length) - 1] ?? Number.NaN
  const within200Ms = times.filter((ms) => ms <= 200).length
  if (values.json) {
    const [p50Ms, p90Ms, p99Ms, maxMs] = percentiles.map(at)
    const [minMs] = sorted
    console.log(JSON.stringify({ kills: times.length, minMs, p50Ms, p90Ms, p99Ms, maxMs, within200Ms }))
    return
  }
  console.log(`${times.length} leaders killed; until the next had committed a proposal:`)
  console.log(`  fastest ${sorted[0]?.toFixed(0)} ms`)
  for (const percentile of percentiles) console.log(`  ${percentile} of 100 within ${at(percentile).toFixed(0)} ms`)
  console.log(`  ${within200Ms} of ${times.length} within 200 ms`)
}

function printStalls(found: Awaited<ReturnType<typeof stallLeaders>>): void {
  for (const { stallMs, stalls, elections } of found) {
    if (values.json) console.log(JSON.stringify({ stallMs, stalls, elections }))
    else console.log(`${stalls} leaders stood still for ${stallMs.toFixed(0)} ms: ${elections} elections`)
  }
}
