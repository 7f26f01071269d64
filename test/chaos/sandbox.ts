import { spawnSync } from 'node:child_process'

const mark = 'CHAOS_SANDBOX'
const enter = ['unshare', '--mount', '--net']

/**
 * Moves this process into a network and a mount namespace of its own, by starting itself anew in them: all network interfaces and disks
 * that it makes go with it and its children, however it ends. Returns when it is there, or, with the reason for people, when this
 * machine does not permit that.
 */
export function enterSandbox(): { readonly hindrance: string | undefined } {
  if (process.env[mark] !== undefined) {
    spawnSync('ip', ['link', 'set', 'lo', 'up'])
    return { hindrance: undefined }
  }
  const hindrance = whatHinders()
  if (hindrance === undefined) {
    const args = ['env', ...enter, process.execPath, ...process.execArgv, ...process.argv.slice(1)]
    process.execve?.('/usr/bin/env', args, { ...process.env, [mark]: 'entered' })
  }
  return { hindrance: hindrance ?? 'this Node cannot replace its own process' }
}

function whatHinders(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are a part of Linux'
  if (process.getuid?.() !== 0) return 'only root may make network namespaces'
  for (const program of ['ip', 'nsenter', 'setpriv']) {
    if (spawnSync(program, ['--version']).error !== undefined) return `the program ${program} is not installed`
  }
  const script = 'ip netns add probe && ip link add probe type veth peer name other netns probe'
  const tried = spawnSync(enter[0] ?? '', [...enter.slice(1), 'sh', '-c', `${ownNames} && ${script}`], {
    encoding: 'utf8',
  })
  return tried.status === 0
    ? undefined
    : `this machine does not permit it: ${(tried.stderr || String(tried.error)).trim()}`
}

/** Names of network namespaces live in a folder; in the sandbox it is one of our own, so that nobody else's are met. */
export const ownNames = 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns'
