/** Kills the leader again and again under load, and counts what that cost its clients: `npm run kills -- --help`. */
import { parseArgs } from 'node:util'
import { killLeaders } from './leader-kills.ts'

const usage = `npm run kills -- [--kills 100]

Kills the leading coordinator so often, with kill -9, while 24 transfers are in flight. A client whose commit met the dying leader goes on
at the next one: nothing is aborted, nothing is in doubt, no operation runs twice. Prints the pauses; exit code 1 if anything else was seen.
`

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '100' }, help: { type: 'boolean', default: false } },
})
if (values.help) process.stdout.write(usage)
else process.exitCode = (await demonstrate(Number(values.kills))) ? 0 : 1

async function demonstrate(kills: number): Promise<boolean> {
  console.log('Starting three coordinators, two PostgreSQL servers, three participants and three clients …')
  const seen = await killLeaders(kills, (kill, pauseMs) => {
    if (kill % 10 === 0) console.log(`${kill} leaders killed; the last pause without a commit: ${pauseMs} ms`)
  })
  const pauses = seen.pausesMs.toSorted((a, b) => a - b)
  console.log(`${seen.kills} leaders killed, with ${seen.inFlight} transfers in flight altogether`)
  console.log(`committed ${seen.committed}, aborted ${seen.aborted}, told "in doubt" ${seen.doubts}`)
  for (const why of seen.aborts) console.log(`aborted: ${why}`)
  console.log(`operations that ran more than once: ${seen.executedAgain}`)
  console.log(`pause without a commit: median ${pauses[Math.floor(pauses.length / 2)]} ms, longest ${pauses.at(-1)} ms`)
  for (const open of seen.open) console.log(`not settled: ${open}`)
  console.log(seen.audit.trimEnd())
  return seen.isFlawless
}
