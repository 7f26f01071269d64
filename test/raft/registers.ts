import type { StateMachine } from '@verdict/raft'

/** Bytes of a command's key: digits. What follows is the value. */
export const registerKeyBytes = 8

/** Puts the value of each command under its key: what a key-value store does for a write, and no more. */
export const registers: StateMachine<number> = {
  apply(space, index, command) {
    const key = Buffer.from(command.buffer, command.byteOffset, registerKeyBytes).toString('latin1')
    space.put(key, command.subarray(registerKeyBytes))
    return index
  },
}
