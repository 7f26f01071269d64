import { inspect } from 'node:util'
import type { Fault, FaultKind } from './fault.ts'

const maxSeenLength = 400 // a picture larger than that is for a debugger

/** What the sentences speak of. */
export interface Subject {
  readonly operation: string
  /** Member of the operation's context through which it reaches its store. */
  readonly session: string
}

/** The words for every fault. `when` is how the point is named at the beginning of a sentence. */
export const faults = {
  left: ({ operation, session }: Subject, when: string, seen: string): Fault => ({
    ...outside(session, 3, seen),
    sentence: `${when}, '${operation}' left its effect behind: it writes outside the branch's transaction.`,
  }),

  notOnce: ({ operation, session }: Subject, when: string, seen: string): Fault => ({
    ...outside(session, 2, seen),
    sentence: `${when}, '${operation}' did not have its effect exactly once: it writes outside the branch's transaction.`,
  }),

  early: ({ operation, session }: Subject, seen: string): Fault => ({
    ...outside(session, 1, seen),
    sentence: `Before the commit, others could see an effect of '${operation}': it writes outside the branch's transaction.`,
  }),

  ended: ({ operation }: Subject): Fault => ({
    ...fault('ended'),
    sentence: `'${operation}' ends the branch's transaction by itself: a part of it would stay though the others abort.`,
    remedy:
      'Take COMMIT, ROLLBACK and their like out of the operation. Throw to refuse, and use SAVEPOINT to take back a part.',
  }),

  race: ({ operation, session }: Subject, seen: string): Fault => ({
    ...fault('race', seen),
    sentence: `When two run at the same time, '${operation}' loses an effect: it reads what it changes without a lock, or on another connection.`,
    remedy: `Read through ${session} of the operation's context and under a lock (SELECT … FOR UPDATE), or let one statement read and write.`,
  }),

  unawaited: ({ operation }: Subject, statement: string): Fault => ({
    ...fault('unawaited'),
    sentence: `'${operation}' returns without waiting for a statement (${statement}): it could fail unseen, or miss the commit.`,
    remedy: 'Await every promise before the operation returns.',
  }),

  swallowed: ({ operation }: Subject, when: string, statement: string, seen: string): Fault => ({
    ...fault('swallowed', seen),
    sentence: `${when} (${statement}), '${operation}' goes on as if nothing had happened: half of its work would be committed.`,
    remedy: 'Let errors of the session through: a branch whose statement failed can only be refused.',
  }),

  memory: ({ operation }: Subject, seen: string): Fault => ({
    ...fault('memory', seen),
    sentence: `After a run that came to nothing, '${operation}' does something else on the same data: it keeps something that outlives the run, such as a variable in memory.`,
    remedy:
      "Keep it in the database, through the operation's context. Accept `memory` where it is meant to differ, as a number from a sequence does.",
  }),

  varies: ({ operation }: Subject, seen: string): Fault => ({
    ...fault('varies', seen),
    sentence: `'${operation}' does not do the same twice on the same data: it depends on something outside of it, such as a variable in memory, the clock or chance.`,
    remedy:
      'Keep it in the database, or let the caller pass it as an argument. Accept `varies` where the result is meant to differ.',
  }),

  locked: ({ operation }: Subject, when: string): Fault => ({
    ...fault('locked'),
    sentence: `${when}, a lock that '${operation}' needs was still held when all was over: it leaves work open outside of its branch.`,
    remedy: "Open no transaction of your own in the operation; work through the operation's context.",
  }),

  unplain: ({ operation }: Subject, seen: string): Fault => ({
    ...fault('unplain', seen),
    sentence: `What '${operation}' returns is no plain data: it cannot travel, or arrives as something else.`,
    remedy: 'Return what JSON knows, or undefined, dates, bytes and bigints of 64 bits.',
  }),

  slow: ({ operation }: Subject, budgetMs: number, waitsFor: string): Fault => ({
    ...fault('slow'),
    sentence: `'${operation}' did not return within ${budgetMs} ms: it waits for ${waitsFor}.`,
    remedy:
      'Locks are held as long as it runs. Wait in the operation for nothing but its own statements; a lock that its branch holds is never given to another connection.',
  }),

  network: ({ operation }: Subject, what: string): Fault => ({
    ...fault('network'),
    sentence: `'${operation}' begins ${what} while it runs: no abort takes back what it does there, and every further run does it again.`,
    remedy: 'Do it before the transaction, and pass what came of it as an argument; or after the commit.',
  }),

  refused: ({ operation }: Subject, why: string): Fault => ({
    ...fault('refused'),
    sentence: `The example call of '${operation}' was refused, so no crash could be tried: ${why}`,
    remedy: 'Give a call that succeeds on the data that `reset` leaves.',
  }),

  unseen: ({ operation }: Subject): Fault => ({
    ...fault('unseen'),
    sentence: `The example call of '${operation}' changed nothing that \`state\` shows, so nothing could be checked.`,
    remedy: 'Let `state` show what the call changes, or give a call that changes something.',
  }),

  unsteady: ({ operation }: Subject, seen: string): Fault => ({
    ...fault('unsteady', seen),
    sentence: `\`state\` showed something else after the second \`reset\` than after the first, before '${operation}' had run.`,
    remedy: 'Let `reset` bring back exactly the same data, and leave times and generated names out of `state`.',
  }),
}

/** Two things that should have been the same, for who looks closer. */
export function difference(expected: unknown, found: unknown): string {
  return `expected ${show(expected)}, found ${show(found)}`
}

export function show(value: unknown): string {
  const text = inspect(value, { depth: 6, breakLength: Number.POSITIVE_INFINITY })
  return text.length <= maxSeenLength ? text : `${text.slice(0, maxSeenLength - 1)}…`
}

function fault(kind: FaultKind, seen?: string): Pick<Fault, 'kind' | 'rank' | 'seen'> {
  return { kind, rank: 0, ...(seen === undefined ? {} : { seen }) }
}

function outside(session: string, rank: number, seen: string): Omit<Fault, 'sentence'> {
  return {
    kind: 'outside',
    rank,
    seen,
    remedy: `Use ${session} of the operation's context for every statement.`,
  }
}
