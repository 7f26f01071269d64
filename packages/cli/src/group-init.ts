import { mkdir, mkdtemp, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { groupIdOf, type Manifest } from '@verdict/coordinator'
import { initLmdbStore } from '@verdict/raft'
import { CommandError } from './exit.ts'

/** Name of the manifest's file inside a group's folder. */
const manifestFile = 'manifest.json'

/** What `verdict group init --json` prints. */
export interface MadeGroup {
  readonly group: string
  readonly manifest: string
  readonly replicas: readonly { readonly replica: string; readonly dataFolder: string }[]
}

/**
 * Makes a new group's folder: the manifest, and one empty store for each replica (rule R15). It is the only way to make a
 * store: a replica that could make its own would, after the loss of its disk, vote a second time in a term.
 * All is made beside the folder and moved into place at once, so there is a whole group or none.
 * @throws CommandError when something is in the folder already.
 */
export async function initGroup(manifest: Manifest, folder: string): Promise<MadeGroup> {
  const target = resolve(folder)
  await refuseNonEmpty(target)
  await mkdir(dirname(target), { recursive: true })
  const draft = await mkdtemp(join(dirname(target), `${basename(target)}.draft-`))
  try {
    for (const replica of manifest.replicas) {
      const path = join(draft, replica)
      await initLmdbStore({ path, group: groupIdOf(manifest), replica, members: manifest.replicas })
    }
    const text = `${JSON.stringify(manifest, undefined, 2)}\n`
    await writeFile(join(draft, manifestFile), text, { flush: true })
    await rmdir(target).catch(ignoreMissing)
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw error
  }
  return {
    group: groupIdOf(manifest),
    manifest: join(target, manifestFile),
    replicas: manifest.replicas.map((replica) => ({ replica, dataFolder: join(target, replica) })),
  }
}

async function refuseNonEmpty(folder: string): Promise<void> {
  const found = (await readdir(folder).catch(ignoreMissing)) ?? []
  if (found.length === 0) return
  const why = found.includes(manifestFile)
    ? `${folder} holds a group already: ${manifestFile} is there. A group is made once; made anew it is another group, and transactions of the old one stay in doubt`
    : `${folder} is not empty: ${found[0]} is in it`
  throw new CommandError('failure', `${why}. Choose a folder that is empty or does not exist.`)
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
