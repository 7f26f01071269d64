import type { Operation, SequentialObject } from './linearizability.ts'

/** What a client wants of the register `key`. */
export type Call =
  | { readonly kind: 'read'; readonly key: string }
  | { readonly kind: 'write'; readonly key: string; readonly value: string }
  | { readonly kind: 'append'; readonly key: string; readonly value: string }
  | { readonly kind: 'swap'; readonly key: string; readonly expected: string; readonly value: string }

/**
 * A register that begins empty: to read, to write, to append to, and to swap if it holds what was expected. Each call is answered with
 * what it found there: whoever is told anything has looked.
 */
export const register: SequentialObject<Call, string> = {
  initial: '',
  apply: (state, call, found) => (found === undefined || found === state ? stateAfter(state, call) : undefined),
  changesNothing: (call, found) => call.kind === 'read' || (found !== undefined && stateAfter(found, call) === found),
}

export function stateAfter(state: string, call: Call): string {
  switch (call.kind) {
    case 'read':
      return state
    case 'write':
      return call.value
    case 'append':
      return `${state},${call.value}`
    case 'swap':
      return state === call.expected ? call.value : state
  }
}

/**
 * A history without the operations of which nobody knows what became of them and whose value, unlike any other, nobody ever found or
 * expected. It is linearizable if the whole is: all that were answered found the same without them. To try them in vain doubles with
 * each the orders that there are.
 */
export function withoutUnseen(operations: readonly Operation<Call, string>[]): readonly Operation<Call, string>[] {
  const seen = new Set(
    operations.flatMap(({ input, output }) => [
      ...(output?.split(',') ?? []),
      ...(input.kind === 'swap' ? input.expected.split(',') : []),
    ]),
  )
  return operations.filter(
    ({ input, output }) => output !== undefined || (input.kind !== 'read' && seen.has(input.value)),
  )
}
