import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  decodePayload,
  encodePayload,
  type Operation,
  operationScope,
  type Payload,
  ProtocolError,
  type Reason,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import { reasonOf } from './reason.ts'
import { Refusal } from './refusal.ts'
import type { Site } from './site.ts'
import { recordThrown } from './tracing.ts'

/** One operation, ready to run in its branch. */
export interface Run {
  readonly id: TransactionId
  readonly session: object
  readonly operation: Operation
  /** Aborted when the call's time is over, or its branch has ended. */
  readonly signal: AbortSignal
}

export type RunResult =
  | { readonly kind: 'value'; readonly value: Payload }
  | { readonly kind: 'refused'; readonly reason: Reason }

/** Runs an operation in the active context, with nested calls forbidden. Never rejects: whatever user code throws refuses. */
export async function runOperation(
  site: Pick<Site, 'participant' | 'operations' | 'resource' | 'metering' | 'emit'>,
  run: Run,
): Promise<RunResult> {
  const { participant, resource, metering, emit } = site
  const { name } = run.operation
  const what = `${participant}.${name}`
  try {
    const scope = { participant, operation: name }
    const value = await operationScope.run(scope, () => execute(site, what, run))
    return { kind: 'value', value: encodePayload(value, `The value of ${what}`) }
  } catch (error) {
    const outOfTime = run.signal.aborted
    const failing = { participant, operation: name, outOfTime, explain: (thrown: unknown) => resource.explain(thrown) }
    const reason = reasonOf(error, failing)
    if (error instanceof ProtocolError && error.limit !== undefined) metering.refused(error.limit)
    if (reason.code === reasonCodes.operationFailed) {
      recordThrown(error)
      emit({ kind: 'failed', id: run.id, what, error })
    }
    return { kind: 'refused', reason }
  }
}

async function execute({ operations }: Pick<Site, 'operations'>, what: string, run: Run): Promise<unknown> {
  const { id, session, operation, signal } = run
  const definition = Object.hasOwn(operations, operation.name) ? operations[operation.name] : undefined
  if (definition === undefined) {
    const known = Object.keys(operations).join(', ')
    throw new Refusal(reasonCodes.unknownOperation, `There is no operation ${what}. Known ones: ${known}.`, false)
  }
  const checked = await definition.input['~standard'].validate(readInput(what, operation.args))
  if (checked.issues !== undefined) {
    const found = checked.issues.map(describe).join('; ')
    throw new Refusal(reasonCodes.invalidInput, `The input of ${what} does not fit: ${found}.`, false)
  }
  return definition.run(checked.value, { ...session, id, signal })
}

function readInput(what: string, args: Payload): unknown {
  try {
    return decodePayload(args, `The input of ${what}`)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw new Refusal(reasonCodes.invalidInput, error.message, false)
  }
}

function describe({ message, path = [] }: StandardSchemaV1.Issue): string {
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  return place === '' ? message : `${place}: ${message}`
}
