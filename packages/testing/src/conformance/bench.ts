import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { BranchNote, OpenBranch, PrepareResult, Resource, ResourceFacts, Row } from '@verdict/participant'
import {
  type Digest,
  type Epoch,
  encodePayload,
  type GroupId,
  groupId,
  groupName,
  makeId,
  makeIncarnation,
  makeToken,
  ownerName,
  participantName,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import type { StoreUnderTest } from './harness.ts'

/** Short, since some tests wait for it to run out. */
const lockTimeoutMs = 150

const patienceMs = 5_000 // a store that has not got there by then never will
const digestLength = 26

/** A store with the means to put branches into the states that a rule speaks of. */
export class Bench<Session extends object> {
  readonly store: StoreUnderTest<Session>
  /** The group of aged notes. Names of prepared branches of several stores may meet in one server: each bench has a group of its own. */
  readonly group: GroupId
  readonly #incarnation = makeIncarnation(randomBytes(8))
  readonly #started: Resource<Session>[] = []

  constructor(store: StoreUnderTest<Session>) {
    this.store = store
    this.group = groupId(groupName('main'), this.#incarnation)
  }

  /** Starts one more instance. Where the store has one owner only, the instance before is stopped first. */
  async start(): Promise<Resource<Session>> {
    return (await this.startWithFacts()).resource
  }

  async startWithFacts(): Promise<{ readonly resource: Resource<Session>; readonly facts: ResourceFacts }> {
    if (!this.store.isShared) await this.stop()
    const resource = await this.store.instance()
    const facts = await resource.start({ participant: participantName('payments') })
    this.#started.push(resource)
    return { resource, facts }
  }

  /** Kills the store, brings it back, and starts a new instance on it. */
  async crash(): Promise<Resource<Session>> {
    await this.store.crash()
    this.#started.length = 0
    return this.start()
  }

  /** Stops all instances. */
  async stop(): Promise<void> {
    for (const resource of this.#started.splice(0)) await resource.stop()
  }

  async dispose(): Promise<void> {
    try {
      await this.stop()
    } finally {
      await this.store.dispose()
    }
  }

  /** A note that no other has anything in common with, but for what is given. */
  note(given: Partial<BranchNote> = {}): BranchNote {
    return { id: makeTransactionId(), digest: makeDigest(), token: makeToken<Token>(randomBytes(12)), ...given }
  }

  /** A note of the bench's group with this epoch. */
  aged(epoch: number): BranchNote {
    return this.note({ id: makeTransactionId(epoch as Epoch, this.#incarnation) })
  }

  /** Raises the floor of the bench's group. */
  raise(resource: Resource<Session>, floor: number): Promise<'raised' | 'stood'> {
    return resource.raiseFloor(this.group, floor as Epoch)
  }

  /** Goes through all rows of the bench's group below its floor, in pages. */
  async collect(resource: Resource<Session>, limit: number): Promise<{ deleted: number; logged: TransactionId[] }> {
    const all = { deleted: 0, logged: [] as TransactionId[] }
    let after: TransactionId | undefined
    do {
      const { deleted, logged, last } = await resource.collect(this.group, limit, after)
      assert.ok(deleted + logged.length <= limit, `a page of ${limit} has ${deleted} deleted and ${logged.length} kept`)
      all.deleted += deleted
      all.logged.push(...logged.map(({ id }) => id))
      after = last
    } while (after !== undefined)
    return all
  }

  /** A branch of the bench's group that was committed, or buried, with a value under a key of its own. */
  async ended(resource: Resource<Session>, epoch: number, state: 'committed' | 'aborted'): Promise<BranchNote> {
    const note = this.aged(epoch)
    await this.prepared(resource, note.id, 'first', note)
    assert.equal(await resource.finish(note, state), 'done')
    return note
  }

  /** Results as a one-shot has them. */
  results(text: string): NonNullable<BranchNote['results']> {
    return [encodePayload({ text }, 'a result')]
  }

  open(resource: Resource<Session>, readOnly = false): Promise<OpenBranch<Session>> {
    return resource.open({ lockTimeoutMs, readOnly })
  }

  /** An open branch that has written the value. */
  async written(resource: Resource<Session>, key: string, value: string): Promise<OpenBranch<Session>> {
    const branch = await this.open(resource)
    await this.store.write(branch.session, key, value)
    return branch
  }

  /** Runs a branch that writes the value, as far as `prepare`. */
  async prepare(resource: Resource<Session>, note: BranchNote, key: string, value: string): Promise<PrepareResult> {
    return (await this.written(resource, key, value)).prepare(note)
  }

  /** A branch that is prepared for certain. */
  async prepared(
    resource: Resource<Session>,
    key: string,
    value: string,
    note: BranchNote = this.note(),
  ): Promise<BranchNote> {
    assert.deepEqual(await this.prepare(resource, note, key, value), { kind: 'prepared' })
    return note
  }

  /** A branch that has written the value and is committed alone for certain. */
  async committed(
    resource: Resource<Session>,
    key: string,
    value: string,
    note: BranchNote = this.note(),
  ): Promise<BranchNote> {
    const branch = await this.written(resource, key, value)
    assert.deepEqual(await branch.commit({ ...note, rowAlways: false }), { kind: 'committed' })
    return note
  }

  /** Asks until the answer is not `underway`, which promises that it will not stay so. */
  async look(resource: Resource<Session>, id: TransactionId): Promise<Row> {
    return until(
      () => resource.look(id),
      (row) => row.state !== 'underway',
      'look still says underway',
    )
  }

  /** Sees that nobody holds the lock of a key: a branch gets it, and gives it back. */
  async assertFree(resource: Resource<Session>, key: string): Promise<void> {
    const branch = await this.open(resource)
    try {
      await this.store.write(branch.session, key, 'the lock is free')
    } catch (error) {
      assert.fail(`the lock of ${key} is still held: ${String(error)}`)
    } finally {
      await branch.rollback()
    }
  }

  /** Sees that somebody holds the lock of a key, and that the resource explains it so. */
  async assertLocked(resource: Resource<Session>, key: string): Promise<void> {
    const branch = await this.open(resource)
    try {
      await assert.rejects(
        this.store.write(branch.session, key, 'the lock was free'),
        (error) => resource.explain(error)?.code === 'lock-timeout',
        `the lock of ${key} is held, so a writer has to fail for a lock time-out`,
      )
    } finally {
      await branch.rollback()
    }
  }

  /** Sees that the committed value of a key is this one; undefined for none. */
  async assertCommitted(key: string, value: string | undefined): Promise<void> {
    assert.equal(await this.store.committed(key), value, `the committed value of ${key}`)
  }
}

// Unlike those of other tests: several stores may live in one server, where names of prepared branches must not meet.
function makeTransactionId(epoch = 1 as Epoch, incarnation = makeIncarnation(randomBytes(8))): TransactionId {
  const [group, owner] = [groupName('main'), ownerName('checkout')]
  return makeId({ group, incarnation, epoch, owner, mark: 'once' }, randomBytes(12))
}

function makeDigest(): Digest {
  const text: string = makeToken<Token>(randomBytes(12)) + makeToken<Token>(randomBytes(12))
  return text.slice(0, digestLength) as Digest
}

/** Asks again until the answer is good. */
export async function until<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean, complaint: string): Promise<T> {
  const endMs = performance.now() + patienceMs
  for (;;) {
    const answer = await ask()
    if (isGood(answer)) return answer
    assert.ok(performance.now() < endMs, complaint)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** A payload in a form that is compared by its bytes, whatever class they came in. */
export function bytesOf(payload: Uint8Array): readonly number[] {
  return [...payload]
}
