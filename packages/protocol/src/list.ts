import { createHash } from 'node:crypto'
import { isBase32, toBase32 } from './base32.ts'
import { ProtocolError } from './errors.ts'
import type { TransactionId } from './id.ts'
import { maxBranches } from './limits.ts'
import type { InstanceId, ParticipantName, Token } from './name.ts'
import type { Payload } from './payload.ts'

/** A branch that was opened by calls: the opening (token) at one instance, and how many calls it has executed. */
export interface CalledBranch {
  readonly kind: 'called'
  readonly participant: ParticipantName
  readonly instance: InstanceId
  readonly token: Token
  readonly calls: number
}

/** A branch of a one-shot transaction: the participant opens it when it is asked to prepare. */
export interface OneShotBranch {
  readonly kind: 'oneShot'
  readonly participant: ParticipantName
  /** Hash of the operations that it will run, so that the digest binds them. */
  readonly operations: OperationsHash
}

export type ListedBranch = CalledBranch | OneShotBranch

/** All branches of a transaction, sealed: sorted by participant, each participant once, all of one kind (rule R4). */
export type BranchList = readonly ListedBranch[] & { readonly __brand: 'BranchList' }

/** Hash of id and list: 128 bits in base32. Everything said after the list was sealed carries it. */
export type Digest = string & { readonly __brand: 'Digest' }
export type OperationsHash = string & { readonly __brand: 'OperationsHash' }

/** One operation of a one-shot transaction. */
export interface Operation {
  readonly name: string
  readonly args: Payload
}

const digestBits = 128

/**
 * Seals branches into a list: sorts them and checks them.
 * @throws ProtocolError `bad-list` when there is none or too many, one twice, or both kinds.
 */
export function sealList(branches: readonly ListedBranch[]): BranchList {
  const sorted = branches.toSorted((a, b) =>
    a.participant < b.participant ? -1 : a.participant > b.participant ? 1 : 0,
  )
  checkList(sorted)
  return sorted as readonly ListedBranch[] as BranchList
}

/** Checks a list that somebody else sealed. @throws ProtocolError `bad-list` */
export function checkList(branches: readonly ListedBranch[]): BranchList {
  const bad = (found: string): ProtocolError =>
    new ProtocolError('bad-list', `The list of branches is not a sealed one: ${found}.`)
  if (branches.length === 0) throw bad('it is empty')
  if (branches.length > maxBranches) throw bad(`it has ${branches.length} branches, at most ${maxBranches} are allowed`)
  branches.forEach((branch, position) => {
    const before = branches[position - 1]
    if (before === undefined) return
    if (before.kind !== branch.kind) throw bad('one-shot and called branches do not mix')
    if (before.participant === branch.participant) throw bad(`${branch.participant} is in it twice`)
    if (before.participant > branch.participant) throw bad('it is not sorted by participant')
  })
  return branches as BranchList
}

/** The digest that binds a transaction to its list; of no list, that of an operator's abort which names none. */
export function digestOf(id: TransactionId, list: BranchList | readonly []): Digest {
  const hash = createHash('sha256').update(id)
  for (const branch of list) {
    hash.update(
      branch.kind === 'called'
        ? `\n${branch.participant} called ${branch.instance} ${branch.token} ${branch.calls}`
        : `\n${branch.participant} one-shot ${branch.operations}`,
    )
  }
  return toBase32(hash.digest().subarray(0, digestBits / 8)) as Digest
}

/** The hash that binds a one-shot branch to its operations. */
export function operationsHash(operations: readonly Operation[]): OperationsHash {
  const hash = createHash('sha256')
  for (const { name, args } of operations) hash.update(`${name.length} ${name} ${args.length} `).update(args)
  return toBase32(hash.digest().subarray(0, digestBits / 8)) as OperationsHash
}

export function isDigest(text: string): boolean {
  return isBase32(text, digestBits)
}

export function branchOf(list: BranchList, participant: ParticipantName): ListedBranch | undefined {
  return list.find((branch) => branch.participant === participant)
}
