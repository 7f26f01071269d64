import type { Outcome } from '@verdict/protocol'
import type { Run } from './run.ts'
import type { Called } from './stage.ts'

/** What was seen at one point. */
export interface Observed {
  /** Of the operation, in their order, in all lives. */
  readonly runs: readonly Run[]
  /** Whether the crash point was reached: a call that only reads has no outcome to crash on. */
  readonly isReached: boolean
  /** Pictures taken before there was an outcome. */
  readonly early: readonly unknown[]
  /** `none` where nothing was decided, and so nothing may stay. */
  readonly outcome: Outcome | 'none'
  /** The picture at the end. */
  readonly state: unknown
  /** What the caller was told; undefined where nobody was told anything. */
  readonly called: Called | undefined
  /** The example run and committed once more, where what it begins with was there again; or the second of two at once. */
  readonly again: { readonly called: Called; readonly state: unknown } | undefined
  /** Whether another run waited in vain at the end. */
  readonly isLocked: boolean
}
