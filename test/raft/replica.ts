// One replica of a group as a process: for the benchmarks, and for the tests with real processes.
import {
  NotLeaderError,
  OverloadedError,
  openLmdbStore,
  type RaftEvent,
  type RaftSettings,
  type Replica,
  type ReplicaId,
  StoreError,
  startReplica,
} from '@verdict/raft'
import { type BusMessage, connectNats, type Subscription, systemClock, systemRandom } from '@verdict/runtime'
import { ledger, listLedger } from './ledger.ts'
import { registers } from './registers.ts'
import {
  askSubject,
  encodeAnswer,
  leaderQueue,
  proposalHeaderBytes,
  proposalNumber,
  proposeSubject,
  type Question,
  type Reply,
  replicaSubject,
  type Status,
} from './wire.ts'

const ledgerPage = 2_000
/** A replica that failed lives on for so long: whatever it still acknowledged would be heard. */
const lastWordsMs = 200

const { REPLICA = '', MEMBERS = '', FOLDER = '', NATS_URL = '', MACHINE = '', SETTINGS = '{}' } = process.env
const id = REPLICA as ReplicaId
const members = MEMBERS.split(',').filter((member) => member !== '') as ReplicaId[]
const counts = { snapshotsInstalled: 0, electionsStarted: 0 }
let listening: Subscription | undefined

const bus = await connectNats({ servers: NATS_URL, name: id })
const store = await openLmdbStore({ path: FOLDER, group: 'test', replica: id, members })
const replica: Replica<number> = await startReplica({
  id,
  store,
  machine: MACHINE === 'ledger' ? ledger : registers,
  world: { clock: systemClock, random: systemRandom, bus },
  subject: replicaSubject,
  settings: JSON.parse(SETTINGS) as Partial<RaftSettings>,
  onEvent: notice,
})
bus.subscribe(askSubject(id), (message) => {
  void answer(message)
})
await bus.flush()
console.log(JSON.stringify({ msg: 'serving' }))
process.once('SIGTERM', () => {
  void stop()
})

function notice(event: RaftEvent): void {
  if (event.kind === 'becameLeader') listening = bus.subscribe(proposeSubject, propose, { queue: leaderQueue })
  if (event.kind === 'lostLeadership') listening?.unsubscribe()
  if (event.kind === 'snapshotInstalled') counts.snapshotsInstalled += 1
  if (event.kind === 'electionStarted') counts.electionsStarted += 1
  if (event.kind === 'failed') giveUp(event.error)
  else if (event.kind !== 'appended' && event.kind !== 'applied')
    console.log(JSON.stringify({ msg: event.kind, ...event }))
}

function propose({ payload, replyTo }: BusMessage): void {
  if (replyTo === undefined) return
  const number = proposalNumber(payload)
  // The log keeps the command, and the message's bytes are a part of what came over the wire together.
  const command = payload.subarray(proposalHeaderBytes)
  replica.propose(command).then(
    (result) => bus.publish(replyTo, encodeAnswer(number, 'committed', result)),
    (error: unknown) => {
      const isRefused = error instanceof NotLeaderError || error instanceof OverloadedError
      bus.publish(replyTo, encodeAnswer(number, isRefused ? 'refused' : 'uncertain', 0))
    },
  )
}

async function answer({ payload, replyTo }: BusMessage): Promise<void> {
  if (replyTo === undefined) return
  const reply = await replyOf(JSON.parse(Buffer.from(payload).toString()) as Question)
  bus.publish(replyTo, Buffer.from(JSON.stringify(reply)))
}

async function replyOf(question: Question): Promise<Reply> {
  try {
    if (question.kind === 'list' && replica.status().appliedIndex < question.appliedIndex) return { kind: 'notYet' }
    return { kind: 'done', value: await resultOf(question) }
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    return { kind: 'error', name, message }
  }
}

async function resultOf(question: Question): Promise<unknown> {
  switch (question.kind) {
    case 'status':
      return { ...replica.status(), membership: replica.membership(), ...counts } satisfies Status
    case 'list':
      return listLedger(replica.space, question.after, ledgerPage)
    case 'confirm':
      await replica.confirmLeadership()
      return replica.status().appliedIndex
    case 'add':
      return replica.addReplica(question.replica)
    case 'remove':
      return replica.removeReplica(question.replica)
    case 'transfer':
      return replica.transferLeadership(question.replica)
  }
}

async function stop(): Promise<void> {
  await replica.stop()
  await bus.close()
  process.exit(0)
}

function giveUp(error: Error): void {
  const { name, message } = error
  const code = error instanceof StoreError ? error.code : undefined
  console.log(JSON.stringify({ msg: 'failed', name, code, message }))
  setTimeout(() => process.exit(1), lastWordsMs)
}
