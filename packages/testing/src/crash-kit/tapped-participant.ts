import {
  type AnyOperation,
  defineParticipant,
  type OpenBranch,
  type Participant,
  type Resource,
} from '@verdict/participant'
import type { TestedParticipant } from './example.ts'
import { unwatched, watchNetwork } from './network.ts'
import { overriding } from './overriding.ts'
import type { Probe } from './probe.ts'
import { newRun } from './run.ts'
import { tapSession } from './tapped-session.ts'

type Schemas = Readonly<Record<string, AnyOperation['input']>>
type Outputs = Readonly<Record<string, unknown>>

/** A participant that a probe looks through, and what it takes to let its process die. */
export interface TappedParticipant {
  readonly participant: Participant<object, Schemas, Outputs>
  /** Branches that are neither prepared nor ended. */
  readonly open: ReadonlySet<OpenBranch<object>>
  /** Ends the store's connections as the death of the process would: what is open is gone, what is prepared stays. */
  disconnect(): Promise<void>
}

/** The same participant, with a probe between it and its store, and between its operations and their session. */
export function tapParticipant({ name, resource, operations }: TestedParticipant, probe: Probe): TappedParticipant {
  const open = new Set<OpenBranch<object>>()
  const participant = defineParticipant<object, Schemas, Outputs>({
    name,
    resource: tapResource(resource, probe, open),
    operations: Object.fromEntries(
      Object.entries(operations).map(([key, operation]) => [key, tapOperation(operation, probe)]),
    ),
  })
  const disconnect = async (): Promise<void> => {
    await Promise.all([...open].map((branch) => branch.rollback()))
    await resource.stop()
  }
  return { participant, open, disconnect }
}

function tapResource(resource: Resource<object>, probe: Probe, open: Set<OpenBranch<object>>): Resource<object> {
  return overriding(resource, {
    open: (options) =>
      probe.ask(async () => {
        const branch = await resource.open(options)
        open.add(branch)
        return tapBranch(branch, probe, open)
      }),
    finish: (key, ending) =>
      probe.ask(async () => {
        await probe.reach('ending')
        const done = await resource.finish(key, ending)
        await probe.reach('ended')
        return done
      }),
    look: (id) => probe.ask(() => resource.look(id)),
    inDoubt: (minAgeMs, limit) => probe.ask(() => resource.inDoubt(minAgeMs, limit)),
    tombstone: (id, digest) => probe.ask(() => resource.tombstone(id, digest)),
    stop: async () => {
      if (!probe.isDead) await resource.stop()
    },
  })
}

function tapBranch(branch: OpenBranch<object>, probe: Probe, open: Set<OpenBranch<object>>): OpenBranch<object> {
  return overriding(branch, {
    prepare: (note) =>
      probe.ask(async () => {
        await probe.reach('preparing')
        const result = await branch.prepare(note)
        open.delete(branch)
        await probe.reach('durable')
        return result
      }),
    commit: (note) =>
      probe.ask(async () => {
        await probe.reach('committing')
        const result = await branch.commit(note)
        open.delete(branch)
        await probe.reach('committed')
        return result
      }),
    rollback: async () => {
      if (probe.isDead) return
      await branch.rollback()
      open.delete(branch)
    },
  })
}

function tapOperation(operation: AnyOperation, probe: Probe): AnyOperation {
  return {
    ...operation,
    async run(input, context) {
      const { id, signal, ...session } = context as Record<string, unknown>
      const run = newRun(Object.keys(session))
      probe.runs.push(run)
      await probe.reach('called')
      const end = (failed: boolean, result: unknown): void => {
        run.end = { failed, result, pending: run.statements.filter(({ hasEnded }) => !hasEnded) }
      }
      const tapped = { ...tapSession(session, run, probe, unwatched), id, signal }
      try {
        const value = await watchNetwork(run, () => operation.run(input, tapped))
        end(false, value)
        await probe.reach('returned')
        return value
      } catch (error) {
        end(true, error)
        throw error
      }
    },
  }
}
