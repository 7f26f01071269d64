import { readdirSync, readFileSync } from 'node:fs'

/** Names of the folders that a shop and its servers keep their data in. */
const dataFolder = /\/[^\0]*?\/(shop|verdict-postgres)-\w+/g

/** All that a process has started, as far as it was seen: processes and the folders that they work in, by Linux's own account. */
export class Census {
  readonly pids: Set<number> = new Set()
  readonly folders: Set<string> = new Set()
  readonly #ancestor: number

  constructor(ancestor: number) {
    this.#ancestor = ancestor
    this.count()
  }

  /** Looks again, and keeps what was seen before. */
  count(): void {
    const parents = new Map(runningPids().map((pid) => [pid, parentOf(pid)]))
    const descends = (pid: number | undefined): boolean =>
      pid !== undefined && (pid === this.#ancestor || descends(parents.get(pid)))
    for (const [pid, parent] of parents) {
      if (!descends(parent)) continue
      this.pids.add(pid)
      const text = `${read(pid, 'cmdline')}\0${read(pid, 'environ')}`
      for (const [folder] of text.matchAll(dataFolder)) this.folders.add(folder)
    }
  }
}

function runningPids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

function parentOf(pid: number): number | undefined {
  const [, parent] = /^\d+ \(.*\) \S (\d+)/s.exec(read(pid, 'stat')) ?? []
  return parent === undefined ? undefined : Number(parent)
}

/** Nothing when the process has ended meanwhile. */
function read(pid: number, file: 'cmdline' | 'environ' | 'stat'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1')
  } catch {
    return ''
  }
}
