import type { Decision, TransactionId } from '@verdict/protocol'
import type { LogIndex } from '@verdict/raft'
import fc from 'fast-check'
import { type Command, encodeCommand } from '../src/command.ts'
import { type Applied, decisions } from '../src/decisions.ts'
import { unsettled } from '../src/records.ts'
import { MemorySpace } from './memory-space.ts'
import { calledList, decision, id, owner, p, q, s } from './samples.ts'

export const resolution = { by: 'alice', as: owner, because: 'written again by hand', atMs: 1 }

/** A replica's log of one: applies commands in order. */
export class Log {
  readonly space = new MemorySpace()
  private index = 0

  apply(command: Command): Applied {
    this.index += 1
    return decisions.apply(this.space, this.index as LogIndex, encodeCommand(command))
  }

  decide(over: Decision): Applied {
    return this.apply({ kind: 'decide', decision: over })
  }

  advance(keptEpochs = 10): Applied {
    return this.apply({ kind: 'advance', keptEpochs })
  }

  hazard(of: TransactionId, hazard: Extract<Command, { kind: 'hazard' }>['hazard'], participant = p): Applied {
    return this.apply({ kind: 'hazard', id: of, participant, hazard, note: 'seen' })
  }

  resolve(of: TransactionId, participant = p, by = 'alice'): Applied {
    return this.apply({ kind: 'resolve', id: of, participant, resolution: { ...resolution, by } })
  }

  unsettledIds(): TransactionId[] {
    return unsettled(this.space, 100).records.map((record) => record.id)
  }
}

/** The transactions that arbitrary logs are about: of two epochs, few of them, so that their commands meet. */
export const numbers: readonly number[] = [1, 2, 3, 4]

export function numbered(number: number): TransactionId {
  return id(number, { epoch: 1 + (number % 2) })
}

export const ids: fc.Arbitrary<TransactionId> = fc.constantFrom(...numbers).map(numbered)

/** Any command, rules of the protocol broken or not. */
export const commands: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({
      of: ids,
      outcome: fc.constantFrom('committed' as const, 'aborted' as const),
      list: fc.constantFrom(calledList(p, q), calledList(p, s), calledList(p)),
      votes: fc.array(
        fc.constantFrom('prepared' as const, 'read-only' as const, 'refused' as const, 'unknown' as const),
        {
          minLength: 2,
          maxLength: 2,
        },
      ),
    })
    .map(({ of, outcome, list, votes }) => {
      const made = decision(of, outcome, list)
      const branches = made.branches.map((branch, place) => ({ ...branch, vote: votes[place] ?? 'unknown' }))
      return { kind: 'decide' as const, decision: { ...made, branches } }
    }),
  fc.array(ids, { maxLength: 3 }).map((settled) => ({ kind: 'settled' as const, ids: settled })),
  fc.integer({ min: 1, max: 3 }).map((keptEpochs) => ({ kind: 'advance' as const, keptEpochs })),
  fc.constant({ kind: 'forget' as const }),
  fc.record({
    kind: fc.constant('hazard' as const),
    id: ids,
    participant: fc.constantFrom(p, q, s),
    hazard: fc.constantFrom('effects-lost' as const, 'aborted-met-committed' as const),
    note: fc.constant('seen'),
  }),
  fc.record({
    kind: fc.constantFrom('resolve' as const, 'release' as const),
    id: ids,
    participant: fc.constantFrom(p, q, s),
    resolution: fc.constant(resolution),
  }),
)
