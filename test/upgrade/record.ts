// Records what this version writes: `node --conditions=@verdict/source test/upgrade/record.ts <version>`. Later versions must open it.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupIdOf, parseManifest } from '@verdict/coordinator'
import { type Command, encodeCommand, epochOf, formatOf, recordOf } from '@verdict/coordinator/internal'
import { lmdb } from '@verdict/lmdb'
import type { OpenBranch, Resource } from '@verdict/participant'
import { postgres } from '@verdict/postgres'
import { encodePacket, type Message, type ParticipantName, parseGroupId } from '@verdict/protocol'
import { initLmdbStore } from '@verdict/raft'
import fc from 'fast-check'
import pg from 'pg'
import { startPostgres } from '../../infra/postgres.ts'
import { group } from '../../packages/coordinator/test/samples.ts'
import { messages } from '../../packages/protocol/test/messages.ts'
import { encodeMessage } from '../../packages/raft/src/codec.ts'
import { journalText } from './journal-text.ts'
import { raftMessages } from './raft-messages.ts'
import { type RecordedLog, type RecordedMessages, type RecordedRows, Recording } from './recording.ts'
import { LoneReplica } from './replica.ts'
import { commands, filler, inventory, noteOf, payments, replica } from './samples.ts'

const fillers = 24
const retainedEntries = 8
const samplesPerType = 2

const [version] = process.argv.slice(2)
if (version === undefined || !/^[a-z0-9.-]+$/.test(version)) {
  throw new Error('Expected the name of the version to record, for example 0.2.0.')
}
const recording = new Recording(version)
if (recording.has('')) throw new Error(`${recording.path} is there already: what was recorded once stays as it is.`)
const draft = mkdtempSync(join(tmpdir(), 'verdict-record-'))
try {
  mkdirSync(recording.path, { recursive: true })
  await recordReplica()
  recordMessages()
  await recordInventory()
  await recordJournal()
} catch (error) {
  rmSync(recording.path, { recursive: true })
  throw error
} finally {
  rmSync(draft, { recursive: true })
}

/** Log and store of a replica: the log begins behind what has been compacted, its end is applied in the space. */
async function recordReplica(): Promise<void> {
  const path = join(draft, 'replica')
  const text = JSON.stringify({ version: 1, ...parseGroupId(group), replicas: [replica] })
  const manifest = parseManifest(text)
  await initLmdbStore({ path, group: groupIdOf(manifest), replica, members: [replica] })
  const log: readonly Command[] = Object.values(commands).flat()
  {
    await using lone = await LoneReplica.start(path, group, retainedEntries)
    for (const command of log) await lone.propose(command)
    for (let number = 0; number < fillers; number += 1) await lone.propose(filler)
    const ids = new Set(commands.decide.map(({ decision }) => decision.id))
    const recorded: RecordedLog = {
      manifest: JSON.stringify(manifest),
      epoch: epochOf(lone.space),
      format: formatOf(lone.space),
      records: [...ids].flatMap((id) => recordOf(lone.space, id) ?? []),
      commands: log.map((command) => Buffer.from(encodeCommand(command)).toString('hex')),
    }
    recording.writeJson('log.json', recorded)
  }
  recording.writeStore('replica.mdb.gz', path)
}

function recordMessages(): void {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const packets = Object.entries(messages).map(([type, arbitrary], request) => {
    const samples = fc.sample(arbitrary, { numRuns: samplesPerType, seed: 1 }) as Message[]
    return [type, samples.map((message) => hex(encodePacket({ request, message })))] as const
  })
  const raft = Object.entries(raftMessages).map(([kind, message]) => [
    kind,
    hex(encodeMessage(message, { own: 3, heard: 2 })),
  ])
  const recorded: RecordedMessages = { packets: Object.fromEntries(packets), raft: Object.fromEntries(raft) }
  recording.writeJson('messages.json', recorded)
}

/** An embedded store with one row of each kind. */
async function recordInventory(): Promise<void> {
  const path = join(draft, 'inventory')
  mkdirSync(path)
  const resource = lmdb({ path, durability: 'weak' })
  await resource.start({ participant: inventory })
  const write = async ({ session }: Awaited<ReturnType<typeof resource.open>>, number: number): Promise<void> => {
    await session.store.put(`item/${number}`, { left: number })
  }
  const rows = await writeRows(resource, inventory, write)
  await resource.stop()
  recording.writeJson('inventory.json', rows)
  recording.writeStore('inventory.mdb.gz', path)
}

/** The tables that PostgreSQL keeps, as SQL. */
async function recordJournal(): Promise<void> {
  await using server = await startPostgres()
  const client = new pg.Client({ connectionString: server.url })
  await client.connect()
  await client.query('create table account (id integer primary key, cents integer)')
  const resource = postgres({ connectionString: server.url })
  await resource.start({ participant: payments })
  const write = async ({ session }: Awaited<ReturnType<typeof resource.open>>, number: number): Promise<void> => {
    await session.sql.query('insert into account values ($1, 100)', [number])
  }
  const { rows } = await writeRows(resource, payments, write)
  const gids = (await client.query<{ gid: string }>('select gid from pg_prepared_xacts')).rows.map(({ gid }) => gid)
  recording.writeJson<RecordedRows>('journal.json', { rows, gids })
  recording.writeText('journal.sql', await journalText(client))
  await resource.stop()
  await client.end()
}

async function writeRows<Session extends object>(
  resource: Resource<Session>,
  participant: ParticipantName,
  write: (branch: OpenBranch<Session>, number: number) => Promise<void>,
): Promise<RecordedRows> {
  const [logged, lone, buried, rolledBack, prepared] = [1, 2, 3, 4, 5].map((number) => noteOf(number, participant))
  if (!logged || !lone || !buried || !rolledBack || !prepared) throw new Error('There are five notes.')
  for (const [place, note] of [logged, lone, buried, rolledBack, prepared].entries()) {
    if (note === buried) {
      await resource.tombstone(note.id, note.digest)
      continue
    }
    const branch = await resource.open({ lockTimeoutMs: 1_000 })
    await write(branch, place + 1)
    if (note === lone) await branch.commit({ ...note, rowAlways: true })
    else await branch.prepare(note)
    if (note === logged) await resource.finish(note, 'committed')
    if (note === rolledBack) await resource.finish(note, 'aborted')
  }
  const looks = await Promise.all([1, 2, 3, 4, 5].map((number) => resource.look(noteOf(number, participant).id)))
  const states = looks.map(({ state }) => state)
  if (states.join() !== 'committed,committed,aborted,aborted,prepared') throw new Error(`Wrote ${states.join()}.`)
  const rows = looks.map((row, place) => {
    const { state, mode, digest, token } = { mode: undefined, digest: undefined, token: undefined, ...row }
    return [place + 1, { state, ...(mode && { mode }), ...(digest && { digest }), ...(token && { token }) }]
  })
  return { rows: Object.fromEntries(rows), gids: [] }
}
