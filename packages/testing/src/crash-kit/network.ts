import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Run } from './run.ts'

const running = new AsyncLocalStorage<Run>()

// Node's own announcements of what is begun on the network; who began it is known by the asynchronous context.
subscribe('net.client.socket', () => running.getStore()?.network.add('a connection of its own'))
subscribe('http.client.request.start', (message) => note(hostOf(message)))
subscribe('undici:request:create', (message) => note(hostOf(message)))

/** Runs an operation; what it begins on the network is noted in its run, as far as Node tells. */
export function watchNetwork<T>(run: Run, work: () => T): T {
  return running.run(run, work)
}

/** Runs what the operation asked its session for: connections of the resource are none of its own. */
export function unwatched<T>(work: () => T): T {
  return running.exit(work)
}

function note(host: string): void {
  const run = running.getStore()
  if (run === undefined) return
  run.network.delete('a connection of its own')
  run.network.add(`a request to ${host}`)
}

function hostOf(message: unknown): string {
  const request: unknown = typeof message === 'object' && message !== null ? Reflect.get(message, 'request') : undefined
  if (typeof request !== 'object' || request === null) return 'somewhere'
  return String(Reflect.get(request, 'origin') ?? Reflect.get(request, 'host') ?? 'somewhere')
}
