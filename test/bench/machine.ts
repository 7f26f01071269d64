import { closeSync, fdatasyncSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const ticksPerSecond = 100 // of /proc on Linux, on every architecture that Node runs on
const probes = 200

interface Process {
  readonly parent: number
  readonly ticks: number
}

/** CPU seconds so far, of everything that runs on this machine. Linux only. */
export class CpuTimes {
  readonly machine: number
  readonly #processes: ReadonlyMap<number, Process>

  private constructor(machine: number, processes: ReadonlyMap<number, Process>) {
    this.machine = machine
    this.#processes = processes
  }

  static read(): CpuTimes {
    const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (
      readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? ''
    )
      .split(/\s+/)
      .map(Number)
    const processes = new Map<number, Process>()
    for (const entry of readdirSync('/proc')) {
      const found = /^\d+$/.test(entry) ? readStat(Number(entry)) : undefined
      if (found !== undefined) processes.set(Number(entry), found)
    }
    return new CpuTimes((user + nice + system + irq + softirq) / ticksPerSecond, processes)
  }

  /** Of one process with all its descendants. */
  of(root: number): number {
    const isBelow = (pid: number): boolean => {
      if (pid === root) return true
      const parent = this.#processes.get(pid)?.parent
      return parent !== undefined && parent > 1 && isBelow(parent)
    }
    let ticks = 0
    for (const [pid, stat] of this.#processes) if (isBelow(pid)) ticks += stat.ticks
    return ticks / ticksPerSecond
  }
}

function readStat(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces and brackets: fields are counted from behind its last bracket.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [, parent = 0] = fields
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15)
    return { parent, ticks: user + system + childUser + childSystem }
  } catch {
    return undefined // it ended while we looked
  }
}

/** Median time of one 4 KiB write with its flush, in microseconds: what the disk, and whoever shares it, cost just now. */
export function flushProbeUs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'verdict-probe-'))
  const file = openSync(join(folder, 'probe'), 'w')
  try {
    const block = new Uint8Array(4096)
    const times = Array.from({ length: probes }, () => {
      const startedMs = performance.now()
      writeSync(file, block)
      fdatasyncSync(file)
      return (performance.now() - startedMs) * 1_000
    })
    return Math.round(times.toSorted((a, b) => a - b)[probes / 2] ?? 0)
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true, force: true })
  }
}
