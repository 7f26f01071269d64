import { closeSync, fsyncSync, mkdirSync, openSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { ResourceUnfitError } from '@verdict/participant'

// Magic numbers of statfs(2), as linux/magic.h has them.
const networked: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  16914839: '9P',
  1702057286: 'FUSE',
  12805120: 'Ceph',
}
const volatile: Readonly<Record<number, string>> = { 16914836: 'tmpfs', 2240043254: 'ramfs' }

/**
 * Makes the folder and checks that its file system can keep a vote: LMDB maps the file and locks it, which network file
 * systems do not keep apart between hosts, and memory does not survive a power cut.
 * @throws ResourceUnfitError
 */
export function checkFileSystem(path: string, durability: 'full' | 'weak'): void {
  mkdirSync(path, { recursive: true })
  if (process.platform !== 'linux') return // the numbers are Linux's
  const type = statfsSync(path).type >>> 0
  const network = networked[type]
  if (network) {
    throw new ResourceUnfitError(
      `The LMDB store ${path} lies on ${network}. LMDB needs a local file system: give it a path on a disk of this machine.`,
    )
  }
  const memory = volatile[type]
  if (memory && durability === 'full') {
    throw new ResourceUnfitError(
      `The LMDB store ${path} lies on ${memory}, which a power cut empties. Give it a path on a disk, or allow the loss of ` +
        "votes with durability: 'weak'.",
    )
  }
}

/** Makes the file's own name durable, which flushing a new file alone does not promise. */
export function flushFolders(path: string): void {
  if (process.platform === 'win32') return // folders cannot be opened there, and need not be
  for (const folder of [path, dirname(path)]) {
    const descriptor = openSync(folder, 'r')
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }
}
