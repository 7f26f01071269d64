/** A client, as a process: transfers between random accounts, a ledger of its own, and the same ids again after its death. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import {
  connect,
  isCommittedWithHazards,
  isInDoubt,
  isTransactionAborted,
  type PlannedCall,
  type Transaction,
  type Verdict,
} from '@verdict/client'
import { z } from 'zod'
import type { Bank } from './bank.ts'
import { bankNames } from './bank.ts'
import { type Begun, entriesIn, Ledger, type Place, type Told } from './ledger.ts'

const { name, natsUrls, ledgerFile, lanes, accounts, ownAccounts, keepEvery, paceMs } = z
  .object({
    name: z.string(),
    natsUrls: z.array(z.string()),
    ledgerFile: z.string(),
    lanes: z.number(),
    accounts: z.number(),
    /** Each lane moves money between accounts that no other touches, so that none waits for another's locks. */
    ownAccounts: z.boolean(),
    /** One of so many transfers has an id of one run only, which cannot be run again. 0: none. */
    keepEvery: z.number(),
    /** Longest pause between two transfers of a lane. */
    paceMs: z.number(),
  })
  .parse(JSON.parse(process.env['SETTINGS'] ?? '{}'))

const againPauseMs = 200
/** Part of the transfers that are one-shots: their branches lock at the same time, in no order, and so may wait for the auditor while it waits for them. */
const oneShots = ownAccounts ? 0.5 : 0.25
/** Runs of one transfer: so many that only a system that never comes back exhausts them. */
const maxRuns = 200

const before = unfinished()
const ledger = new Ledger(ledgerFile)
const verdict = await connect({ servers: natsUrls, owner: name })
let stopping = false
let made = before.made
process.once('SIGTERM', () => {
  stopping = true
})
console.log('serving')
await Promise.all(Array.from({ length: lanes }, (_, lane) => work(lane)))
await verdict.close()
process.exit(0)

/** Asks again for what an earlier life was not told, then begins what is new. */
async function work(lane: number): Promise<void> {
  for (let old = before.transfers.pop(); old !== undefined; old = before.transfers.pop()) await settle(old, true)
  while (!stopping) {
    const transfer = newTransfer(lane)
    await ledger.write(transfer)
    await settle(transfer, false)
    await pause(Math.random() * paceMs)
  }
}

function newTransfer(lane: number): Begun {
  made += 1
  const [from, to] = ownAccounts ? ownPlaces(lane) : [randomPlace(), randomPlace()]
  const isKept = keepEvery === 0 || made % keepEvery !== 0
  return {
    kind: 'begun',
    transfer: `${name}-${made}`,
    ...(isKept ? { id: verdict.newId() } : {}),
    places: sameAccount(from, to) ? [from, { ...to, account: (to.account + 1) % accounts }] : [from, to],
    cents: ownAccounts ? 1 : 1 + Math.floor(Math.random() * 500),
    way: Math.random() < oneShots ? 'one-shot' : 'interactive',
    atMs: Date.now(),
  }
}

/** Runs a transfer until its outcome is told, under the same id. */
async function settle(transfer: Begun, isOld: boolean): Promise<void> {
  for (let run = isOld ? 2 : 1; ; run += 1) {
    const told = await runOnce(transfer, run)
    await ledger.write(told)
    if (told.what !== 'doubt') return
    if (transfer.id === undefined || run > maxRuns) {
      await ledger.write({ kind: 'told', transfer: transfer.transfer, what: 'unknown', atMs: Date.now() })
      return
    }
    await pause(againPauseMs)
  }
}

async function runOnce(transfer: Begun, run: number): Promise<Told> {
  const told = (what: Told['what'], code?: string, note?: string): Told => ({
    kind: 'told',
    transfer: transfer.transfer,
    what,
    ...(code === undefined ? {} : { code }),
    ...(note === undefined ? {} : { note }),
    atMs: Date.now(),
  })
  // Nobody can say what became of it, and to run it under another id could do it twice.
  if (run > 1 && transfer.id === undefined) return told('doubt', 'cannot-ask')
  try {
    await execute(verdict, transfer)
    return told('committed')
  } catch (error) {
    if (isCommittedWithHazards(error)) return told('hazard', error.code, error.message)
    if (isInDoubt(error)) return told('doubt', error.code, error.message)
    if (!isTransactionAborted(error)) throw error
    // What an earlier run asked for may still be decided otherwise: this run's failure is final only once it is recorded.
    return told(run === 1 || error.recorded ? 'aborted' : 'doubt', error.reason.code, error.message)
  }
}

async function execute(client: Verdict, { transfer, id, places, cents, way }: Begun): Promise<void> {
  const [from, to] = places
  const kept = id === undefined ? {} : { id }
  const moves = [
    { place: from, cents: -cents },
    { place: to, cents },
  ].toSorted((a, b) => inLockOrder(a.place, b.place))
  if (way === 'one-shot') {
    const calls: readonly PlannedCall[] = moves.map(({ place, cents: moved }) =>
      client.call<Bank>(place.bank).move({ transfer, account: place.account, cents: moved }),
    )
    await client.submit(calls, kept)
    return
  }
  const work = async (tx: Transaction): Promise<void> => {
    for (const { place, cents: moved } of moves)
      await tx.on<Bank>(place.bank).move({ transfer, account: place.account, cents: moved })
  }
  await (id === undefined ? client.transaction(work) : client.transaction(work, { id }))
}

function randomPlace(): Place {
  return { bank: pick(bankNames), account: Math.floor(Math.random() * accounts) }
}

/** Two banks, so that there are always two branches; one account of each is the lane's. */
function ownPlaces(lane: number): [Place, Place] {
  const account = Number(/\d+$/.exec(name)?.[0] ?? 0) * lanes + lane
  const first = Math.floor(Math.random() * bankNames.length)
  const second = (first + 1 + Math.floor(Math.random() * (bankNames.length - 1))) % bankNames.length
  return [
    { bank: bankNames[first] ?? 'vault', account },
    { bank: bankNames[second] ?? 'vault', account },
  ]
}

/** Everybody locks in this order, the auditor too, so that few wait for each other. */
function inLockOrder(one: Place, other: Place): number {
  return one.bank === other.bank ? one.account - other.account : one.bank < other.bank ? -1 : 1
}

function sameAccount(one: Place, other: Place): boolean {
  return one.bank === other.bank && one.account === other.account
}

function pick<T>(values: readonly [T, ...T[]]): T {
  return values[Math.floor(Math.random() * values.length)] ?? values[0]
}

/** What the ledger says of earlier lives of this client. */
function unfinished(): { readonly transfers: Begun[]; readonly made: number } {
  let text = ''
  try {
    text = readFileSync(ledgerFile, 'utf8')
  } catch {
    // The first life.
  }
  const open = new Map<string, Begun>()
  let count = 0
  for (const entry of entriesIn(text)) {
    if (entry.kind === 'begun') {
      open.set(entry.transfer, entry)
      count = Math.max(count, Number(entry.transfer.slice(entry.transfer.lastIndexOf('-') + 1)))
    } else if (entry.kind === 'told' && entry.what !== 'doubt') open.delete(entry.transfer)
  }
  return { transfers: [...open.values()], made: count }
}
