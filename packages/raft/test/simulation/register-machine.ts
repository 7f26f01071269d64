import { crc32 } from 'node:zlib'
import type { LogIndex } from '../../src/message.ts'
import type { StateMachine, StateSpace } from '../../src/state-machine.ts'
import { type Call, stateAfter } from './register.ts'

/** A call on its way through the log. No two have the same id. */
export interface Command {
  readonly id: string
  readonly call: Call
}

/** What came of one entry at one replica. */
export interface Applied {
  readonly index: LogIndex
  readonly command: string
  readonly found: string
  /** Stands for everything that was applied up to here, in its order. */
  readonly digest: string
}

/** Commands that the space keeps besides the registers: with their padding more than one chunk of a snapshot. */
const recentCommands = 24
const padding = '.'.repeat(120)

export function encodeCommand(command: Command): Uint8Array {
  return Buffer.from(JSON.stringify(command))
}

/** Keeps registers in the replicated space, and beside them what fills it, comes and goes. */
export function registerMachine(observe: (applied: Applied) => void): StateMachine<string> {
  return {
    apply(space, index, bytes) {
      const command = text(bytes)
      const { call } = JSON.parse(command) as Command
      const found = registerValue(space, call.key)
      const digest = String(crc32(`${text(space.get('digest'))} ${index} ${command}`))
      put(space, registerKey(call.key), stateAfter(found, call))
      put(space, 'digest', digest)
      put(space, recentKey(index), command + padding)
      for (const [key] of space.list('recent/', 2 * recentCommands)) {
        if (key > recentKey(index - recentCommands)) break
        space.delete(key)
      }
      observe({ index, command, found, digest })
      return found
    },
  }
}

/** What a register holds, as one replica has applied it. */
export function registerValue(space: Pick<StateSpace, 'get'>, key: string): string {
  return text(space.get(registerKey(key)))
}

function registerKey(key: string): string {
  return `register/${key}`
}

function recentKey(index: number): string {
  return `recent/${String(index).padStart(8, '0')}`
}

function put(space: StateSpace, key: string, value: string): void {
  space.put(key, Buffer.from(value))
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString()
}
