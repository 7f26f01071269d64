import {
  type ConnectionOptions,
  connect as connectServer,
  type NatsConnection,
  type Payload,
  type PublishOptions,
} from '@nats-io/transport-node'
import { armedPoint, reach, type Step } from './crash-point.ts'
import { packetsIn } from './wire.ts'

export * from '@nats-io/transport-node'

const steps: ReadonlySet<string> = new Set<Step>([
  'prepare',
  'vote',
  'commit',
  'decided',
  'outcome',
  'ack',
  'loneDecided',
])

/** Connects as the library does; the process can be made to crash before or after a message leaves. */
export async function connect(options: ConnectionOptions): Promise<NatsConnection> {
  const connection = await connectServer(options)
  const publish = connection.publish.bind(connection)
  let silent = false
  const publishOrCrash = (subject: string, payload?: Payload, how?: PublishOptions): void => {
    if (silent) return
    const step = armedPoint() === undefined ? undefined : stepIn(payload)
    if (step !== undefined) reach(`before ${step}`)
    publish(subject, payload, how)
    if (step === undefined || armedPoint() !== `after ${step}`) return
    // Nothing more is said until the server has this message: what follows it in the same turn is not to leave.
    silent = true
    void connection.flush().then(() => reach(`after ${step}`))
  }
  return Object.assign(connection, { publish: publishOrCrash })
}

function stepIn(payload: Payload | undefined): Step | undefined {
  const packets = payload instanceof Uint8Array ? packetsIn(payload) : []
  return packets.map(({ message }) => message.type).find((type): type is Step & typeof type => steps.has(type))
}
