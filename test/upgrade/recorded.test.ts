import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { groupIdOf, parseManifest } from '@verdict/coordinator'
import { decisions, epochOf, formatOf, recordOf } from '@verdict/coordinator/internal'
import { type LmdbResource, lmdb } from '@verdict/lmdb'
import { decodePacket, encodePacket } from '@verdict/protocol'
import type { LogIndex } from '@verdict/raft'
import { decodeMessage } from '@verdict/raft/internal'
import { Unpackr } from 'msgpackr'
import { afterAll, describe, expect, test } from 'vitest'
import { MemorySpace } from '../../packages/coordinator/test/memory-space.ts'
import { calledList, decision, id, p, q } from '../../packages/coordinator/test/samples.ts'
import { type RecordedLog, type RecordedMessages, type RecordedRows, Recording } from './recording.ts'
import { LoneReplica } from './replica.ts'
import { filler, inventory, noteOf } from './samples.ts'

const draft = mkdtempSync(join(tmpdir(), 'verdict-recorded-'))
afterAll(() => rmSync(draft, { recursive: true }))

const recordings = Recording.all()
const manyEntries = 1_000
const bodyAt = 9
/** The first entry of a log is its first leader's, and holds no command. */
const firstCommand = 2

/** A new folder with a recorded store in it. */
function restored(recording: Recording, name: string): string {
  const path = mkdtempSync(join(draft, 'store-'))
  mkdirSync(path, { recursive: true })
  recording.restoreStore(name, path)
  return path
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

test('something is recorded', () => {
  expect(recordings.length).toBeGreaterThan(0)
})

describe.each(recordings.filter((each) => each.has('log.json')))('a replica of $version', (recording) => {
  const log = recording.readJson<RecordedLog>('log.json')
  const group = groupIdOf(parseManifest(log.manifest))
  const start = (path: string): Promise<LoneReplica> => LoneReplica.start(path, group, manyEntries)

  test('has its log applied from its beginning as it was then', () => {
    const space = new MemorySpace()
    for (const [place, command] of log.commands.entries()) {
      decisions.apply(space, (place + firstCommand) as LogIndex, bytesOf(command))
    }
    for (const record of log.records) expect(recordOf(space, record.id)).toMatchObject(record)
    expect([epochOf(space), formatOf(space)]).toEqual([log.epoch, log.format])
  })

  test('opens with all that it had decided', async () => {
    await using lone = await start(restored(recording, 'replica.mdb.gz'))
    for (const record of log.records) expect(recordOf(lone.space, record.id)).toMatchObject(record)
    expect([epochOf(lone.space), formatOf(lone.space)]).toEqual([log.epoch, log.format])
  })

  test('goes on: first decisions stand, new ones are made and settled, and the next start has both', async () => {
    const path = restored(recording, 'replica.mdb.gz')
    const [before, fresh] = [log.records.find(({ outcome }) => outcome === 'committed'), id(1_000)]
    if (before === undefined) throw new Error('A committed one is recorded.')
    {
      await using lone = await start(path)
      const against = { ...decision(before.id, 'aborted'), reason: { code: 'late', message: '', retryable: false } }
      expect(await lone.propose({ kind: 'decide', decision: against })).toMatchObject({ record: before })
      await lone.propose({ kind: 'decide', decision: decision(fresh, 'committed', calledList(p, q)) })
      await lone.propose({ kind: 'settled', ids: [fresh] })
    }
    await using again = await start(path)
    await again.propose(filler)
    expect(recordOf(again.space, fresh)).toMatchObject({ outcome: 'committed', settled: true })
    for (const record of log.records) expect(recordOf(again.space, record.id)).toMatchObject(record)
  })
})

describe.each(recordings.filter((each) => each.has('inventory.json')))('an embedded store of $version', (recording) => {
  const { rows } = recording.readJson<RecordedRows>('inventory.json')
  const start = async (path: string): Promise<LmdbResource> => {
    const resource = lmdb({ path, durability: 'weak' })
    await resource.start({ participant: inventory })
    return resource
  }

  test('opens with its rows and what is prepared, which ends and is there at the next start', async () => {
    const path = restored(recording, 'inventory.mdb.gz')
    const resource = await start(path)
    for (const [number, row] of Object.entries(rows)) {
      expect(await resource.look(noteOf(Number(number), inventory).id)).toMatchObject(row)
    }
    expect([1, 2, 3, 4, 5].map((number) => resource.read(`item/${number}`))).toEqual([
      { left: 1 },
      { left: 2 },
      undefined,
      undefined,
      undefined,
    ])
    const prepared = noteOf(5, inventory)
    expect(await resource.inDoubt(0, 10)).toMatchObject([{ id: prepared.id, digest: prepared.digest }])
    const rival = await resource.open({ lockTimeoutMs: 10 })
    await expect(rival.session.store.put('item/5', { left: 0 })).rejects.toThrow()
    await rival.rollback()
    expect(await resource.finish(prepared, 'committed')).toBe('done')
    const copy = await resource.open({ lockTimeoutMs: 100 })
    await copy.session.store.put('item/1', { left: 0 })
    expect(await copy.prepare(noteOf(1, inventory))).toEqual({ kind: 'exists' })
    await resource.stop()

    const again = await start(path)
    expect(again.read('item/5')).toEqual({ left: 5 })
    expect(again.read('item/1')).toEqual({ left: 1 })
    await again.stop()
  })
})

describe.each(recordings.filter((each) => each.has('messages.json')))('messages of $version', (recording) => {
  const { packets, raft } = recording.readJson<RecordedMessages>('messages.json')

  test.each(Object.entries(packets))('%s is read, with every field that it had', (type, samples) => {
    for (const hex of samples) {
      const { request, message } = decodePacket(bytesOf(hex))
      const written: unknown = new Unpackr({ useRecords: false, mapsAsObjects: true }).unpack(
        bytesOf(hex).subarray(bodyAt),
      )
      expect(message).toMatchObject(written as object)
      expect(message.type).toBe(type)
      expect(decodePacket(encodePacket({ request, message }))).toEqual({ request, message })
    }
  })

  test.each(Object.entries(raft))("the replicas' own %s is read", (kind, hex) => {
    expect(decodeMessage(bytesOf(hex)).kind).toBe(kind)
  })
})
