import { InjectedError, type Probe } from './probe.ts'
import type { Run, Statement } from './run.ts'

const maxTextLength = 60 // enough to recognize a statement in one line of a report

type Method = (...args: unknown[]) => unknown

/** The session of a branch, each use of which is seen by the probe. `unseen` runs what is not the operation's own doing. */
export function tapSession(
  session: object,
  run: Run,
  probe: Probe,
  unseen: <T>(work: () => T) => T,
): Record<string, unknown> {
  const tap = (name: string, method: Method): Method => {
    return (...args) => use(`${name} ${describe(args[0])}`.trim(), () => unseen(() => method(...args)), run, probe)
  }
  return Object.fromEntries(
    Object.entries(session).map(([name, member]: [string, unknown]) => {
      if (typeof member === 'function') return [name, tap(name, (...args) => Reflect.apply(member, session, args))]
      if (typeof member !== 'object' || member === null) return [name, member]
      return [name, tapMembers(member, tap)]
    }),
  )
}

function tapMembers(member: object, tap: (name: string, method: Method) => Method): object {
  return new Proxy(member, {
    get(_, name) {
      const own: unknown = Reflect.get(member, name, member)
      if (typeof own !== 'function') return own
      return tap(String(name), (...args) => Reflect.apply(own, member, args))
    },
  })
}

function use(text: string, execute: () => unknown, run: Run, probe: Probe): unknown {
  const statement: Statement = {
    text,
    isLate: run.end !== undefined,
    hasEnded: false,
    error: undefined,
  }
  run.statements.push(statement)
  const n = run.statements.length
  const fails = probe.plan.fail === n && probe.runs[0] === run
  const result = fails ? Promise.reject(new InjectedError(`The crash kit let statement ${n} fail.`)) : execute()
  if (!isThenable(result)) {
    statement.hasEnded = true
    return result
  }
  const answer = answered(result, statement, () => probe.reach(`statement ${n}`))
  answer.catch(() => undefined) // where the operation does not wait for it, that is told and not thrown
  return answer
}

async function answered(
  result: PromiseLike<unknown>,
  statement: Statement,
  reach: () => Promise<void>,
): Promise<unknown> {
  try {
    const value = await result
    await reach()
    return value
  } catch (error) {
    statement.error = error
    throw error
  } finally {
    statement.hasEnded = true
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

function describe(first: unknown): string {
  const text = typeof first === 'object' && first !== null && 'text' in first ? first.text : first
  if (typeof text !== 'string') return ''
  const line = text.trim().replaceAll(/\s+/g, ' ')
  return line.length <= maxTextLength ? line : `${line.slice(0, maxTextLength - 1)}…`
}
