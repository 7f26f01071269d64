import {
  type GroupId,
  type GroupName,
  groupId,
  groupName,
  type Incarnation,
  makeIncarnation,
  maxReplicas,
  ProtocolError,
} from '@verdict/protocol'
import type { ReplicaId } from '@verdict/raft'
import type { Random } from '@verdict/runtime'
import { z } from 'zod'

/** What every replica of a group starts from: made once, by `verdict group init`, and never again (rule R15). */
export interface Manifest {
  readonly version: 1
  readonly name: GroupName
  /** Random, made once: a group that is set up anew under its old name is another group. */
  readonly incarnation: Incarnation
  /** An odd number of them, 1 to 7. */
  readonly replicas: readonly ReplicaId[]
  /** Epochs that settled transactions are kept for (rule R11): an hour, at the pace of `epochMs`, unless said. */
  readonly keptEpochs: number
}

/** An hour of epochs, at ten seconds each. */
export const defaultKeptEpochs = 360
/** A budget may be a third of the retention: that is one epoch at least. */
const minKeptEpochs = 3
/** Ids have epochs of 32 bits: none may be kept until they run out. */
const maxKeptEpochs = 2 ** 30

/** A manifest that cannot be used. The message says what was found, what was expected and what to do. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError'
  readonly code = 'bad-manifest'
}

const replicaPattern = /^[a-z0-9-]{1,32}$/

/**
 * Makes the manifest of a new group.
 * @throws ManifestError when the names cannot be used.
 */
export function makeManifest(
  name: string,
  replicas: readonly string[],
  random: Random,
  keptEpochs: number = defaultKeptEpochs,
): Manifest {
  const incarnation = makeIncarnation(random.bytes(8))
  return checkManifest({ version: 1, name, incarnation, replicas: [...replicas], keptEpochs })
}

const manifestVersion = 1

const manifestSchema = z.strictObject({
  version: z.literal(manifestVersion),
  name: z.string(),
  incarnation: z.string().regex(/^[a-z2-7]{13}$/),
  replicas: z.array(z.string()),
  keptEpochs: z.int().default(defaultKeptEpochs),
})

/** Reads a manifest's JSON text. @throws ManifestError */
export function parseManifest(text: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new ManifestError(
      `The group's manifest is not JSON: ${String(cause)}. Restore the file that \`verdict group init\` wrote.`,
      { cause },
    )
  }
  refuseLaterVersion(value)
  return checkManifest(value)
}

/** A later release may mean by its fields what this one cannot know: they are not looked at. */
function refuseLaterVersion(value: unknown): void {
  const version: unknown = typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined
  if (typeof version !== 'number' || version <= manifestVersion) return
  throw new ManifestError(
    `The group's manifest is of version ${version}, this program reads version ${manifestVersion}. Start the newer release here.`,
  )
}

function checkManifest(value: unknown): Manifest {
  const parsed = manifestSchema.safeParse(value)
  if (!parsed.success) {
    throw new ManifestError(
      `The group's manifest is not one of this version: ${z.prettifyError(parsed.error)}. Restore the file that \`verdict group init\` wrote.`,
    )
  }
  const { name, incarnation, replicas, keptEpochs } = parsed.data
  const bad = replicas.find((replica) => !replicaPattern.test(replica))
  if (bad !== undefined)
    throw new ManifestError(`${JSON.stringify(bad)} cannot be a replica's id: expected 1 to 32 of a-z, 0-9 and "-".`)
  if (new Set(replicas).size !== replicas.length)
    throw new ManifestError(`The group names a replica twice: ${replicas.join(', ')}. Give each its own id.`)
  if (replicas.length > maxReplicas || replicas.length % 2 === 0) {
    throw new ManifestError(
      `A group has 1, 3, 5 or 7 replicas, not ${replicas.length}: an even one costs a replica more and survives no loss more.`,
    )
  }
  if (keptEpochs < minKeptEpochs || keptEpochs > maxKeptEpochs) {
    throw new ManifestError(
      `A group keeps what is settled for ${minKeptEpochs} to ${maxKeptEpochs} epochs of ten seconds, not ${keptEpochs}: a transaction may take a third of that time.`,
    )
  }
  return {
    version: 1,
    name: checkedGroupName(name),
    incarnation: incarnation as Incarnation,
    replicas: replicas as ReplicaId[],
    keptEpochs,
  }
}

function checkedGroupName(name: string): GroupName {
  try {
    return groupName(name)
  } catch (cause) {
    if (cause instanceof ProtocolError) throw new ManifestError(cause.message, { cause })
    throw cause
  }
}

export function groupIdOf({ name, incarnation }: Manifest): GroupId {
  return groupId(name, incarnation)
}
