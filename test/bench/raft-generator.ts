/** The load on a log, in a process of its own, controlled by lines of JSON on its input: writes of one size to keys in turn. */
import { createInterface } from 'node:readline'
import { connectNats } from '@verdict/runtime'
import { registerKeyBytes } from '../raft/registers.ts'
import { decodeAnswer, proposalHeaderBytes, proposeSubject } from '../raft/wire.ts'
import { measure, type Write } from './closed-loop.ts'
import { connectEtcd, type EtcdClient } from './etcd-client.ts'
import type { Round } from './generator-process.ts'

/** An entry: a key and its value. */
const entryBytes = 200
/** Keys are written in turn, and then over again: what is kept does not grow, and no key is written twice at once. */
const keys = 10_000

const { SYSTEM, NATS_URL = '', ETCD_URL = '', ETCD_CONNECTIONS = '16', ETCD_CLIENT = '' } = process.env
const write = SYSTEM === 'etcd' ? await writeToEtcd() : await writeToRaft()
console.log(JSON.stringify({ msg: 'serving' }))
process.once('SIGTERM', () => process.exit(0))
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ msg: 'measured', ...(await measure(write, JSON.parse(line) as Round)) }))
}

async function writeToRaft(): Promise<Write> {
  const bus = await connectNats({ servers: NATS_URL, name: 'load' })
  const inbox = `test.load.${process.pid}`
  const waiting = new Map<number, (isDone: boolean) => void>()
  const value = Buffer.alloc(entryBytes - registerKeyBytes, 'v')
  let last = 0
  bus.subscribe(inbox, ({ payload }) => {
    const { number, outcome } = decodeAnswer(payload)
    const whenAnswered = waiting.get(number)
    waiting.delete(number)
    whenAnswered?.(outcome === 'committed')
  })
  await bus.flush()
  return (whenAnswered) => {
    const number = ++last
    waiting.set(number, whenAnswered)
    const proposal = Buffer.allocUnsafe(proposalHeaderBytes + entryBytes)
    proposal.writeUInt32BE(number)
    proposal.write(keyOf(number), proposalHeaderBytes, 'latin1')
    value.copy(proposal, proposalHeaderBytes + registerKeyBytes)
    bus.publish(proposeSubject, proposal, { replyTo: inbox })
  }
}

async function writeToEtcd(): Promise<Write> {
  const put = await connectEtcd(ETCD_CLIENT as EtcdClient, ETCD_URL, Number(ETCD_CONNECTIONS))
  const value = Buffer.alloc(entryBytes - registerKeyBytes, 'v')
  let last = 0
  return (whenAnswered) => put(Buffer.from(keyOf(++last), 'latin1'), value, whenAnswered)
}

function keyOf(number: number): string {
  return String(number % keys).padStart(registerKeyBytes, '0')
}
