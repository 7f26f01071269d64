import { readFileSync } from 'node:fs'
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { messagesIn, packetsIn } from './wire.ts'

const documentation = new URL('../../docs/protocol.md', import.meta.url)
const name = '[a-z0-9-]+'
const token = '[a-z2-7]{20}'
const group = `${name}_[a-z2-7]{13}`

/** What the letters of docs/protocol.md stand for. */
const placeholders: Readonly<Record<string, string>> = {
  v: 'verdict\\.v1',
  g: group,
  '<g>': group,
  '<group name>': name,
  r: name,
  '<r>': name,
  from: name,
  to: name,
  p: name,
  '<p>': name,
  i: token,
  o: name,
  x: token,
}

/** What a row of the table calls a message, where that is not its type. Replicas' own messages have a format of their own. */
const types: Readonly<Record<string, readonly string[]>> = {
  "inquiry's answers": ['inquiryAnswer'],
  "sweep's answers": ['sweepAnswer'],
  answers: ['welcome', 'result', 'decided', 'looked', 'statusReport', 'operated', 'upgraded', 'failure'],
  raft: [],
}

/** A row of the table of messages. */
interface Row {
  readonly messages: readonly string[]
  /** As the document writes them, each with what matches it. */
  readonly subjects: ReadonlyMap<string, RegExp>
}

export interface Heard {
  readonly subject: string
  readonly reply: string
}

/** Listens to everything that is said over NATS, and holds it against the table of messages in docs/protocol.md. */
export class Wiretap {
  /** What is not in the table, as subject and reason. */
  readonly strangers: string[] = []
  /** The messages of the table that were heard. */
  readonly messages: Set<string> = new Set()
  /** The newest message on each subject of the table, as the document writes that. */
  readonly heard: Map<string, Heard> = new Map()
  readonly #rows = readTable()
  readonly #connection: NatsConnection

  private constructor(connection: NatsConnection) {
    this.#connection = connection
    connection.subscribe('>', { callback: (_, message) => this.#hear(message) })
  }

  static async on(url: string): Promise<Wiretap> {
    const tap = new Wiretap(await connect({ servers: url }))
    await tap.#connection.flush()
    return tap
  }

  async stop(): Promise<void> {
    await this.#connection.close()
  }

  #hear({ subject, reply = '', data }: Msg): void {
    const found = this.#rows.flatMap((row) =>
      [...row.subjects].filter(([, pattern]) => pattern.test(subject)).map(([written]) => ({ row, written })),
    )
    for (const { written } of found) this.heard.set(written, { subject, reply })
    const messages = found.flatMap(({ row }) => row.messages)
    if (found.length === 0) this.#note(subject, 'no such subject')
    for (const why of [strangeContent(data, messages), this.#strangeReply(reply, data)]) {
      if (why !== undefined) this.#note(subject, why)
    }
    for (const message of messages) if (isHeard(message, data)) this.messages.add(message)
  }

  /** A reply subject is an inbox, or where the one who is addressed speaks itself; with the bus's own number behind where it says so. */
  #strangeReply(reply: string, data: Uint8Array): string | undefined {
    if (reply === '') return undefined
    const isNumbered = data[1] === 1
    if (isNumbered && !/\.\d+$/.test(reply)) return `the reply subject ${reply} has no number`
    const plain = isNumbered ? reply.replace(/\.\d+$/, '') : reply
    const isInbox = new RegExp(`^${placeholders['v']}\\.ans\\.${name}\\.${token}$`).test(plain)
    const isSpoken = this.#rows.some(
      ({ messages, subjects }) =>
        messages.some((message) => message === 'vote' || message === 'raft') &&
        [...subjects.values()].some((pattern) => pattern.test(plain)),
    )
    return isInbox || isSpoken ? undefined : `the reply subject ${reply}`
  }

  #note(subject: string, why: string): void {
    this.strangers.push(`${subject}: ${why}`)
  }
}

function isHeard(message: string, data: Uint8Array): boolean {
  const named = types[message] ?? [message]
  return named.length === 0 || packetsIn(data).some((packet) => named.includes(packet.message.type))
}

function strangeContent(data: Uint8Array, messages: readonly string[]): string | undefined {
  try {
    if (messagesIn(data).length === 0) return 'a frame of nothing'
  } catch (error) {
    return String(error)
  }
  if (messages.includes('raft')) return undefined
  const allowed = messages.flatMap((message) => types[message] ?? [message])
  const packets = packetsIn(data)
  if (packets.length === 0) return 'what is no packet'
  const strange = packets.map(({ message }) => message.type).filter((type) => !allowed.includes(type))
  return strange.length === 0 ? undefined : `${strange.join(', ')} instead of ${allowed.join(', ')}`
}

function readTable(): Row[] {
  const [, table = ''] = readFileSync(documentation, 'utf8').split('| message | subject | who publishes |\n')
  const lines = table.split('\n\n')[0]?.split('\n').slice(1) ?? []
  return lines.map((line) => {
    const [, messages = '', subjects = ''] = line.split('|').map((cell) => cell.trim())
    const written = [...subjects.matchAll(/`([^`]+)`/g)].map(([, subject = '']) => subject)
    return {
      messages: messages.split(', '),
      subjects: new Map(written.map((subject) => [subject, patternOf(subject)])),
    }
  })
}

/** `p` and `g` before a name of their own kind are the letters themselves. */
function patternOf(written: string): RegExp {
  const tokens = written.split('.')
  const patterns = tokens.map((part, at) => (tokens[at + 1] === `<${part}>` ? part : (placeholders[part] ?? part)))
  return new RegExp(`^${patterns.join('\\.')}$`)
}
