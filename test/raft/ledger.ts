import type { StateMachine, StateSpace } from '@verdict/raft'

/** Keeps, for each command ever given to it, how often it was applied, and returns that: once each, if all is well. */
export const ledger: StateMachine<number> = {
  apply(space, _index, command) {
    const key = Buffer.from(command).toString('latin1')
    const times = timesIn(space.get(key)) + 1
    space.put(key, Buffer.from(String(times)))
    return times
  },
}

/** Commands after one, in their order, each with how often it was applied. */
export function listLedger(
  space: Pick<StateSpace, 'list'>,
  after: string,
  limit: number,
): readonly (readonly [command: string, times: number])[] {
  return space.list('', limit, after).map(([command, value]) => [command, timesIn(value)])
}

function timesIn(value: Uint8Array | undefined): number {
  return value === undefined ? 0 : Number(Buffer.from(value).toString())
}
