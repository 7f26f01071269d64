import type { StateMachine } from '@verdict/raft'
import { type Command, encodeCommand } from './command.ts'
import { type Applied, decisions } from './decisions.ts'
import { newestFormat } from './format.ts'

/** What a program makes of a group's log. Groups of mixed releases are simulated with others than this one. */
export interface Release {
  /** The newest format that it reads. */
  readonly newestFormat: number
  readonly machine: StateMachine<Applied>
  /** Writes a command in the format of the group. */
  readonly encode: (command: Command, format: number) => Uint8Array
}

export const thisRelease: Release = { newestFormat, machine: decisions, encode: encodeCommand }
