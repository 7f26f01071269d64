import type { Outcome } from '@verdict/protocol'
import type { Moment } from './probe.ts'

/** How the operation reaches its branch: called before the commit is asked, or carried by the prepare. */
export type Path = 'called' | 'one-shot'

/** A transaction under two branches; the group commits or aborts it as the point says, unless there is no vote to commit on. */
export interface TransactionPoint {
  readonly kind: 'transaction'
  readonly path: Path
  readonly ending: Outcome
  /** The instance dies there, and another one goes on. */
  readonly hold?: Moment
  /** The instance dies (or is stopped) once it has said this, and another one goes on. */
  readonly gone?: { readonly after: 'answer' | 'vote' | 'acknowledgement'; readonly how: 'crash' | 'stop' }
  /** Nobody tells the new instance the outcome: it has to ask. */
  readonly asks?: true
  /** Every message is sent twice. */
  readonly doubled?: true
}

/** A transaction with no other participant: this one decides it. */
export interface LonePoint {
  readonly kind: 'lone'
  readonly path: Path
  readonly hold?: Moment
  /** The instance dies once it has said this, and another one goes on. */
  readonly gone?: 'answer' | 'decision'
  readonly doubled?: true
}

/** One thing that can happen to the example, and how the report and its sentences speak of it. */
export type Point = {
  /** The line of the report. */
  readonly title: string
  /** How a sentence about it begins. */
  readonly when: string
} & (
  | TransactionPoint
  | LonePoint
  /** The client gives up, then runs it again. */
  | { readonly kind: 'released' }
  /** Call and prepare arrive again after the abort. */
  | { readonly kind: 'late' }
  /** The abort overtakes the call. */
  | { readonly kind: 'overtaken' }
  /** The time of the call is over while a statement waits. */
  | { readonly kind: 'out-of-time' }
  | { readonly kind: 'failing'; readonly statement: number }
  /** Another transaction with the same call begins before this one ends. */
  | { readonly kind: 'at-once' }
)

/** Statements of one run that have points of their own; beyond it a report would take minutes. */
export const maxStatements = 16

export const trial: Point & TransactionPoint = {
  title: 'no crash',
  when: 'With no crash at all',
  kind: 'transaction',
  path: 'called',
  ending: 'committed',
}

const beforeVote = 'After a crash before the vote'
const inPrepare = 'After a crash during prepare'
const afterVote = 'After a crash between vote and outcome'
const atOutcome = 'After a crash while the outcome was applied'

/** Every crash point of a call whose run makes these statements. */
export function pointsOf(statements: readonly string[]): readonly Point[] {
  const tried = statements.slice(0, maxStatements)
  return [
    ...calledPoints(tried),
    ...outcomePoints(),
    ...oneShotPoints(tried),
    ...lonePoints(tried),
    ...otherPoints(tried),
  ]
}

function calledPoints(statements: readonly string[]): readonly Point[] {
  const called = { kind: 'transaction', path: 'called', ending: 'committed' } as const
  return [
    { ...called, title: 'crash before the operation', when: beforeVote, hold: 'called' },
    ...statements.map((text, index) => ({
      ...called,
      title: `crash in the operation, after statement ${index + 1} (${text})`,
      when: `After a crash in the middle of it (after statement ${index + 1})`,
      hold: `statement ${index + 1}` as const,
    })),
    { ...called, title: 'crash after the operation, before its answer', when: beforeVote, hold: 'returned' },
    {
      ...called,
      title: 'crash after the answer, before prepare',
      when: beforeVote,
      gone: { after: 'answer', how: 'crash' },
    },
    { ...called, title: 'crash in prepare, before it is durable', when: inPrepare, hold: 'preparing' },
  ]
}

function outcomePoints(): readonly Point[] {
  return (['committed', 'aborted'] as const).flatMap((ending): Point[] => {
    const called = { kind: 'transaction', path: 'called', ending } as const
    const title = (what: string): string => `${what}; ${ending}`
    return [
      { ...called, title: title('crash in prepare, once it is durable'), when: inPrepare, hold: 'durable' },
      {
        ...called,
        title: title('crash after the vote'),
        when: afterVote,
        gone: { after: 'vote', how: 'crash' },
      },
      {
        ...called,
        title: title('crash after the vote, and the next instance has to ask'),
        when: afterVote,
        gone: { after: 'vote', how: 'crash' },
        asks: true,
      },
      {
        ...called,
        title: title('replaced by another instance after the vote'),
        when: 'After a replacement between vote and outcome',
        gone: { after: 'vote', how: 'stop' },
      },
      { ...called, title: title('crash on the outcome, before it is applied'), when: atOutcome, hold: 'ending' },
      { ...called, title: title('crash on the outcome, once it is applied'), when: atOutcome, hold: 'ended' },
      {
        ...called,
        title: title('crash after the acknowledgement'),
        when: 'After a crash at the end',
        gone: { after: 'acknowledgement', how: 'crash' },
      },
      { ...called, title: title('every message twice'), when: 'When every message comes twice', doubled: true },
    ]
  })
}

function oneShotPoints(statements: readonly string[]): readonly Point[] {
  const oneShot = { kind: 'transaction', path: 'one-shot', ending: 'committed' } as const
  const again = 'When it runs again after a crash'
  const last = statements.length
  return [
    { ...oneShot, title: 'one-shot, no crash', when: 'As a one-shot' },
    ...(last === 0
      ? []
      : [
          {
            ...oneShot,
            title: `one-shot, crash in the operation, after statement ${last}; run again`,
            when: again,
            hold: `statement ${last}` as const,
          },
        ]),
    { ...oneShot, title: 'one-shot, crash after the operation; run again', when: again, hold: 'returned' },
    { ...oneShot, title: 'one-shot, crash before it is durable; run again', when: again, hold: 'preparing' },
    { ...oneShot, title: 'one-shot, crash once it is durable', when: inPrepare, hold: 'durable' },
    { ...oneShot, title: 'one-shot, every message twice', when: 'When every message comes twice', doubled: true },
    {
      ...oneShot,
      title: 'one-shot, refused by another participant',
      when: 'When another participant refuses',
      ending: 'aborted',
    },
  ]
}

function lonePoints(statements: readonly string[]): readonly Point[] {
  const called = { kind: 'lone', path: 'called' } as const
  const oneShot = { kind: 'lone', path: 'one-shot' } as const
  const inCommit = 'After a crash during the commit'
  const again = 'When it runs again after a crash'
  const last = statements.length
  return [
    { ...called, title: 'alone, no crash', when: 'As the only participant' },
    {
      ...called,
      title: 'alone, crash after the answer, before the commit',
      when: 'After a crash before the commit',
      gone: 'answer',
    },
    { ...called, title: 'alone, crash in the commit, before it is durable', when: inCommit, hold: 'committing' },
    { ...called, title: 'alone, crash in the commit, once it is durable', when: inCommit, hold: 'committed' },
    { ...called, title: 'alone, crash after the commit', when: 'After a crash at the end', gone: 'decision' },
    { ...called, title: 'alone, every message twice', when: 'When every message comes twice', doubled: true },
    { ...oneShot, title: 'alone as a one-shot, no crash', when: 'As a one-shot' },
    ...(last === 0
      ? []
      : [
          {
            ...oneShot,
            title: `alone as a one-shot, crash in the operation, after statement ${last}; run again`,
            when: again,
            hold: `statement ${last}` as const,
          },
        ]),
    {
      ...oneShot,
      title: 'alone as a one-shot, crash before it is durable; run again',
      when: again,
      hold: 'committing',
    },
    { ...oneShot, title: 'alone as a one-shot, crash once it is durable', when: inCommit, hold: 'committed' },
    {
      ...oneShot,
      title: 'alone as a one-shot, every message twice',
      when: 'When every message comes twice',
      doubled: true,
    },
  ]
}

function otherPoints(statements: readonly string[]): readonly Point[] {
  const fails = (text: string, index: number): Point => ({
    kind: 'failing',
    statement: index + 1,
    title: `statement ${index + 1} fails (${text})`,
    when: `When statement ${index + 1} fails`,
  })
  return [
    {
      kind: 'transaction',
      path: 'called',
      ending: 'aborted',
      title: 'refused by another participant',
      when: 'When another participant refuses',
    },
    { kind: 'released', title: 'given up by the client, then run again', when: 'When the client gives up' },
    { kind: 'late', title: 'call and prepare again after the abort', when: 'When messages come late' },
    { kind: 'overtaken', title: 'the abort overtakes the call', when: 'When the abort overtakes the call' },
    ...(statements.length === 0
      ? []
      : [{ kind: 'out-of-time', title: 'out of time in the operation', when: 'When its time is over' } as const]),
    ...statements.map(fails),
    { kind: 'at-once', title: 'two at the same time', when: 'When two run at the same time' },
  ]
}
