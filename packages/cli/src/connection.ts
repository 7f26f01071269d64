import { namespace, ownerName } from '@verdict/protocol'
import { connectNats, systemClock, systemRandom } from '@verdict/runtime'
import { Asker } from './asker.ts'
import { CommandError } from './exit.ts'

/** How a command reaches a group. */
export interface ConnectionOptions {
  /** Addresses of NATS servers, with commas between them. */
  readonly servers: string
  readonly namespace: string
  /** The name that the command asks under. */
  readonly owner: string
}

/** Connects to NATS for the length of `use`. @throws CommandError when no server can be reached. */
export async function withAsker<T>(options: ConnectionOptions, use: (asker: Asker) => Promise<T>): Promise<T> {
  const of = namespace(options.namespace)
  const owner = ownerName(options.owner)
  await using bus = await connectNats({ servers: options.servers.split(','), name: 'verdict' }).catch(
    (cause: unknown) => {
      throw new CommandError('unavailable', cause instanceof Error ? cause.message : String(cause), { cause })
    },
  )
  const asker = new Asker({ bus, clock: systemClock, random: systemRandom }, of, owner)
  try {
    return await use(asker)
  } finally {
    asker.close()
  }
}
