import { type BranchList, digestOf, type InstanceId, type Operation, type Reason } from '@verdict/protocol'
import { expect } from 'vitest'
import { advanceBranch, newBranch, newOneShot } from '../src/branch.ts'
import type { Branch, BranchEffect, BranchEvent, BranchLimits, SealedList } from '../src/branch-state.ts'
import type { PrepareResult } from '../src/resource.ts'
import { calledList, id, instanceOf, nonceOf, oneShotList, payloadOf, tokenOf } from './names.ts'

export const limits: BranchLimits = {
  graceMs: 2_000,
  idleMs: 30_000,
  inquireAfterMs: 5_000,
  maxWaitingCalls: 4,
  maxKeptBytes: 64,
}
export const here = instanceOf(1)
export const token = tokenOf(1)
export const nonce = nonceOf(1)
export const leftMs = 10_000
export const inbox = 'an inbox'
export const debit: Operation = { name: 'debit', args: payloadOf({ cents: 1 }) }
export const value = (of: unknown) => ({ kind: 'value', value: payloadOf(of) }) as const
export const failed: Reason = { code: 'insufficient-funds', message: 'no', retryable: false }

/** A branch under test: say what happens to it, and see what it does. */
export class Life {
  nowMs = 0
  readonly branch: Branch
  readonly effects: BranchEffect[]
  #request = 1

  constructor(begun: { branch: Branch; effects: BranchEffect[] }) {
    this.branch = begun.branch
    this.effects = begun.effects
  }

  /** Gives the effects of one event, without their data where a kind says enough. */
  on(event: BranchEvent): BranchEffect[] {
    return advanceBranch(this.branch, event, this.nowMs, limits)
  }

  call(n: number, by = token): BranchEffect[] {
    this.#request += 1
    return this.on({
      kind: 'called',
      token: by,
      call: { n, operation: debit, leftMs, asker: { inbox, request: this.#request } },
    })
  }

  firstCall(by = nonce): BranchEffect[] {
    this.#request += 1
    return this.on({
      kind: 'first-called',
      nonce: by,
      call: { n: 1, operation: debit, leftMs, asker: { inbox, request: this.#request } },
    })
  }

  ran(n: number, of: unknown = n): BranchEffect[] {
    return this.on({ kind: 'ran', n, result: value(of) })
  }

  prepare(list: BranchList, at: InstanceId = here): BranchEffect[] {
    const [listed] = list
    if (listed === undefined) throw new Error('the list is empty')
    const named = listed.kind === 'called' && listed.instance === at
    return this.on({ kind: 'prepare-asked', sealed: seal(list), listed, named })
  }

  prepared(kind: Exclude<PrepareResult['kind'], 'refused'> = 'prepared'): BranchEffect[] {
    return this.on({ kind: 'prepare-ended', result: { kind } })
  }
}

export const seal = (list: BranchList): SealedList => ({ list, digest: digestOf(id, list) })

export function called(): Life {
  const asker = { inbox, request: 1 }
  return new Life(
    newBranch({ id, token, nonce, trace: undefined }, { n: 1, operation: debit, leftMs, asker }, 0, limits),
  )
}

export function openWithOneCall(): Life {
  const life = called()
  life.on({ kind: 'opened' })
  life.ran(1)
  return life
}

export function oneShot(count: number): Life {
  const operations = Array.from({ length: count }, () => debit)
  const opening = { id, token, trace: undefined, readOnly: false, lone: undefined }
  return new Life(newOneShot(opening, seal(oneShotList(operations)), operations, leftMs, 0))
}

export const answers = (effects: readonly BranchEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'answer' ? [effect.result] : []))
export const votes = (effects: readonly BranchEffect[]) =>
  effects.flatMap((effect) => (effect.kind === 'vote' ? [effect.ballot] : []))
export const kinds = (effects: readonly BranchEffect[]) => effects.map(({ kind }) => kind)
export const refusedAs = (code: string) => ({ kind: 'refused', reason: expect.objectContaining({ code }) })
export const list = (calls: number, of = token) => calledList(here, of, calls)
