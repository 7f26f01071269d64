/** Kills replicas under load for as long as wanted, and holds what was acknowledged against what is there: `npm run endurance:raft`. */
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { audit, flawless } from './audit.ts'
import { crashReplicas } from './crashes.ts'
import { Group } from './group.ts'
import { Load } from './load.ts'

const usage = `npm run endurance:raft -- [--seconds 120] [--lanes 64]

Runs three replicas as processes, with so many proposals in flight, and kills leaders, followers and two at once with kill -9, again and
again. Then reads the ledgers of all three: what was acknowledged is there, once, and the three are the same.
`
/** So little of the log stays that whoever was down may need a snapshot. */
const settings = { retainedEntries: 500, entriesInMemory: 128 }

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    lanes: { type: 'string', default: '64' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) process.stdout.write(usage)
else process.exitCode = (await endure(Number(values.seconds) * 1_000, Number(values.lanes))) ? 0 : 1

async function endure(durationMs: number, lanes: number): Promise<boolean> {
  await using group = await Group.start({ machine: 'ledger', settings })
  const load = new Load(group.bus, 'endurance')
  load.start(lanes)
  const { leaders, followers, pairs } = await crashReplicas(group, load, durationMs)
  await load.stop()
  const found = await audit(group, load)
  const { acknowledged, sent } = load
  console.log(`killed: ${leaders} leaders, ${followers} followers, ${pairs} pairs of a leader and a follower`)
  console.log(`proposed: ${sent.size}, of which ${acknowledged.size} were acknowledged`)
  console.log(
    `lost: ${found.lost.length}, applied twice: ${found.twice.length}, strange: ${found.strange.length}, ` +
      `replicas that differ: ${found.differing.length}`,
  )
  const isFlawless = isDeepStrictEqual(found, flawless)
  if (!isFlawless) console.log(JSON.stringify(found))
  return isFlawless
}
