import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BranchNote } from '@verdict/participant'
import {
  type Digest,
  type Epoch,
  groupName,
  makeId,
  makeIncarnation,
  makeToken,
  ownerName,
  participantName,
  type Token,
} from '@verdict/protocol'
import { type LmdbOptions, type LmdbResource, lmdb } from '../src/index.ts'

export const context = { participant: participantName('inventory') }

/** A folder of a test's own, and stores in it. */
export class Place implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'verdict-lmdb-'))
  readonly #started: LmdbResource[] = []

  get path(): string {
    return join(this.#folder, 'store')
  }

  async start(options: Partial<LmdbOptions> = {}): Promise<LmdbResource> {
    const resource = lmdb({ path: this.path, durability: 'weak', ...options })
    await resource.start(context)
    this.#started.push(resource)
    return resource
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#started) await resource.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A note with fresh names. */
export function makeNote(): BranchNote {
  const [group, owner, incarnation] = [groupName('main'), ownerName('checkout'), makeIncarnation(Buffer.alloc(8, 7))]
  return {
    id: makeId({ group, incarnation, epoch: 7 as Epoch, owner, mark: 'once' }, randomBytes(12)),
    digest: makeToken<Token>(randomBytes(12)).padEnd(26, 'a') as string as Digest,
    token: makeToken<Token>(randomBytes(12)),
  }
}

/** Commits a branch that does `work`. */
export async function commit(
  resource: LmdbResource,
  work: (store: Awaited<ReturnType<LmdbResource['open']>>['session']['store']) => Promise<void>,
): Promise<void> {
  const branch = await resource.open({ lockTimeoutMs: 100 })
  await work(branch.session.store)
  const note = makeNote()
  const { kind } = await branch.prepare(note)
  if (kind !== 'prepared') throw new Error(`the branch is ${kind}`)
  if ((await resource.finish(note, 'committed')) !== 'done') throw new Error('the branch was not committed')
}
