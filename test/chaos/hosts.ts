import { execFileSync } from 'node:child_process'
import { ownNames } from './sandbox.ts'

/** One machine of the system, with whatever runs on it. */
export interface Host {
  readonly name: string
  /** Where the other hosts reach it. */
  readonly address: string
  /** Where we reach it, also while it is cut off from the others. */
  readonly ourAddress: string
  /** Words before a command that make it run there. */
  readonly launcher: readonly string[]
}

export const hostNames = ['a', 'b', 'c'] as const
export type HostName = (typeof hostNames)[number]

/** One way between two hosts. */
export type Way = readonly [from: HostName, to: HostName]

/** A machine address that no host has: what is sent there is lost without a word. */
const nowhere = '02:00:00:00:00:00'

/** The hosts of the system and the network between them. */
export interface Network {
  readonly hosts: Readonly<Record<HostName, Host>>
  /** Lets what is sent on a way get lost, until it is mended. */
  cut(way: Way): void
  mend(way: Way): void
}

/** All hosts are this machine; nothing can be cut. */
export function oneMachine(): Network {
  const host = (name: string): Host => ({ name, address: '127.0.0.1', ourAddress: '127.0.0.1', launcher: [] })
  const refuse = (): never => {
    throw new Error('All hosts are this machine: nothing can be cut.')
  }
  return { hosts: { a: host('a'), b: host('b'), c: host('c') }, cut: refuse, mend: refuse }
}

/** Three network namespaces with a link between each two, and one to us that is never cut. In the sandbox only. */
export function separateHosts(): Network {
  execFileSync('sh', ['-c', ownNames])
  for (const name of hostNames) addHost(name)
  for (const [place, from] of hostNames.entries()) {
    for (const to of hostNames.slice(place + 1)) addLink(from, to)
  }
  const host = (name: HostName): Host => ({
    name,
    address: addressOf(name),
    ourAddress: ourAddressOf(name, 2),
    launcher: ['nsenter', `--net=/run/netns/${name}`],
  })
  return {
    hosts: { a: host('a'), b: host('b'), c: host('c') },
    cut: ([from, to]) =>
      ip(from, 'neigh', 'replace', addressOf(to), 'lladdr', nowhere, 'nud', 'permanent', 'dev', `to-${to}`),
    mend: ([from, to]) => ip(from, 'neigh', 'del', addressOf(to), 'dev', `to-${to}`),
  }
}

function addHost(name: HostName): void {
  run('netns', 'add', name)
  ip(name, 'link', 'set', 'lo', 'up')
  ip(name, 'addr', 'add', `${addressOf(name)}/32`, 'dev', 'lo')
  run('link', 'add', `host-${name}`, 'type', 'veth', 'peer', 'name', 'to-us', 'netns', name)
  run('addr', 'add', `${ourAddressOf(name, 1)}/30`, 'dev', `host-${name}`)
  run('link', 'set', `host-${name}`, 'up')
  ip(name, 'addr', 'add', `${ourAddressOf(name, 2)}/30`, 'dev', 'to-us')
  ip(name, 'link', 'set', 'to-us', 'up')
}

function addLink(one: HostName, other: HostName): void {
  run('-n', one, 'link', 'add', `to-${other}`, 'type', 'veth', 'peer', 'name', `to-${one}`, 'netns', other)
  const ends: readonly Way[] = [
    [one, other],
    [other, one],
  ]
  for (const [from, to] of ends) {
    ip(from, 'link', 'set', `to-${to}`, 'up')
    ip(from, 'route', 'add', `${addressOf(to)}/32`, 'dev', `to-${to}`, 'src', addressOf(from))
  }
}

function addressOf(name: HostName): string {
  return `10.77.0.${hostNames.indexOf(name) + 1}`
}

function ourAddressOf(name: HostName, end: 1 | 2): string {
  return `10.78.${hostNames.indexOf(name) + 1}.${end}`
}

function ip(host: HostName, ...args: string[]): void {
  run('-n', host, ...args)
}

function run(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}
