import type { StandardSchemaV1 } from '@standard-schema/spec'
import { maxLabelLength, namespace, participantName } from '@verdict/protocol'
import { connectNats, systemClock, systemRandom, type World } from '@verdict/runtime'
import { ParticipantError } from './errors.ts'
import type { Counters, Observer } from './event.ts'
import { Instance } from './instance.ts'
import type { AnyOperation, Operation, OperationDefinition } from './operation.ts'
import type { Resource } from './resource.ts'
import { defaultSettings, type ParticipantSettings } from './settings.ts'

type Schemas = Readonly<Record<string, StandardSchemaV1>>
type Outputs<S extends Schemas> = { readonly [Name in keyof S]: unknown }

export interface ParticipantDefinition<Session extends object, S extends Schemas, O extends Outputs<S>> {
  /** Of the durable resource: all instances that reach the same one share it. `[a-z0-9-]`, at most 30 characters. */
  readonly name: string
  readonly resource: Resource<Session>
  readonly operations: { readonly [Name in keyof S & keyof O]: OperationDefinition<Session, S[Name], O[Name]> }
}

/** A participant that can be served. Its type is all that a client needs: `export type Payments = typeof payments`. */
export interface Participant<Session extends object, S extends Schemas, O extends Outputs<S>> {
  readonly name: string
  readonly operations: { readonly [Name in keyof S & keyof O]: Operation<Session, S[Name], O[Name]> }
  /**
   * Starts one instance, in this process, and resolves when it takes calls. Once for each definition, since it starts the resource.
   * @throws ResourceUnfitError when the resource cannot keep its promise, ParticipantError `already-serving`, ProtocolError
   * `bad-name` for a bad namespace, and what the connection fails with.
   */
  serve(options: ServeOptions): Promise<Serving>
}

export type ServeOptions = {
  /** First token of all subjects; the one that clients and coordinators use. `verdict` unless said. */
  readonly namespace?: string
  readonly settings?: Partial<ParticipantSettings>
  /** Is given what happens, as data: for logs and metrics. It must not throw. */
  readonly onEvent?: Observer
} & (
  | {
      /** NATS servers, for example `nats://localhost:4222`. */
      readonly servers: string | readonly string[]
    }
  | {
      /** The world to run in, whose bus stays open when serving ends. */
      readonly world: World
    }
)

/** An instance at work. Disposing of it stops it gracefully, as `stop` does. */
export interface Serving extends AsyncDisposable {
  readonly instance: string
  readonly counters: Readonly<Counters>
  /** Takes nothing new, lets branches end within a bound, then closes resource and connection. Idempotent. */
  stop(): Promise<void>
}

/**
 * Defines a participant: a service's operations on its own durable resource, which become branches of transactions.
 * @throws ProtocolError `bad-name`, ParticipantError `bad-definition`
 */
export function defineParticipant<Session extends object, S extends Schemas, O extends Outputs<S>>(
  definition: ParticipantDefinition<Session, S, O>,
): Participant<Session, S, O> {
  const { resource, operations } = definition
  const name = participantName(definition.name)
  checkOperations(name, operations)
  let isServing = false
  return {
    name,
    operations,
    async serve(options) {
      if (isServing) {
        throw new ParticipantError(
          'already-serving',
          `${name} is served already. Serve each definition once; define it again, with a resource of its own, for another instance.`,
        )
      }
      isServing = true
      return startServing(name, operations, resource, options)
    },
  }
}

async function startServing(
  name: ReturnType<typeof participantName>,
  operations: Readonly<Record<string, AnyOperation>>,
  resource: Resource<object>,
  options: ServeOptions,
): Promise<Serving> {
  const isOwnBus = 'servers' in options
  const world: World = isOwnBus
    ? {
        clock: systemClock,
        random: systemRandom,
        bus: await connectNats({ servers: options.servers, name: `participant ${name}` }),
      }
    : options.world
  const closeBus = async (): Promise<void> => {
    if (isOwnBus) await world.bus.close()
  }
  try {
    const instance = await Instance.start({
      participant: name,
      operations,
      resource,
      namespace: namespace(options.namespace),
      world,
      settings: { ...defaultSettings, ...options.settings },
      observer: options.onEvent,
    })
    const stop = async (): Promise<void> => {
      await instance.stop()
      await closeBus()
    }
    return { instance: instance.id, counters: instance.counters, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await closeBus()
    throw error
  }
}

function checkOperations(participant: string, operations: Readonly<Record<string, AnyOperation>>): void {
  for (const [name, definition] of Object.entries(operations)) {
    const bad = (found: string): ParticipantError =>
      new ParticipantError('bad-definition', `The operation ${participant}.${name} cannot be used: ${found}.`)
    if (name.length === 0 || name.length > maxLabelLength)
      throw bad(`its name has not 1 to ${maxLabelLength} characters`)
    if (typeof definition.input?.['~standard']?.validate !== 'function')
      throw bad('its input is no Standard Schema, such as one of zod')
    if (definition.readOnly !== undefined && typeof definition.readOnly !== 'boolean')
      throw bad('its readOnly is neither true nor false')
    if (typeof definition.run !== 'function') throw bad('it has no function run(input, context)')
  }
}
