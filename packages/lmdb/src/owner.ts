import { realpathSync } from 'node:fs'
import { ResourceUnfitError } from '@verdict/participant'
import { OwnedElsewhereError, Ownership } from '@verdict/runtime'

/**
 * Takes the ownership of a store, whose folder is there. Its file lies outside the folder, since a service that copied the
 * folder, as for a backup, would lose a lock inside. It lies beside the real folder, whatever link led there.
 * @throws ResourceUnfitError when another process, or another resource of this one, owns the store.
 */
export function takeStore(storePath: string): Ownership {
  try {
    return new Ownership(`${realpathSync(storePath)}.owner`)
  } catch (cause) {
    if (!(cause instanceof OwnedElsewhereError)) throw cause
    throw new ResourceUnfitError(
      `The LMDB store ${storePath} is in use by ${cause.holder}. One process owns a store: stop that one first, or give ` +
        'this service a path of its own. A service that shall run as several processes needs a database server as resource.',
      { cause },
    )
  }
}
