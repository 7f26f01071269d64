import { mkdirSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Message } from '@verdict/protocol'
import type { Service } from '../../infra/shop/service.ts'

/** A step of the protocol that can be seen at the edge of a process: a message leaves, a statement or a flush is done. */
export type Step =
  | Extract<Message['type'], 'prepare' | 'vote' | 'commit' | 'decided' | 'outcome' | 'ack' | 'loneDecided'>
  | 'PREPARE TRANSACTION'
  | 'COMMIT PREPARED'
  | 'COMMIT'
  | 'flush of a prepared branch'
  | 'flush of an ended branch'
  | 'flush of a decision'

/** Where a process can be made to crash. After a message: once the server of NATS has it. After the others: once they are done. */
export type CrashPoint = `${'before' | 'after'} ${Step}`

// One file for each armed process, by its pid; all those of one crash name the same token, and whoever takes it crashes.
const folder = join(import.meta.dirname, '..', '..', '.tools', 'data', 'crash-points')
const pidFile = (pid: number | undefined): string => join(folder, String(pid))
const patienceMs = 20_000 // an order that reaches no crash point within twice its budget never will

/** A crash that waits for its point. */
export interface ArmedCrash {
  /** Resolves with the service that crashed there. @throws Error when none of them did. */
  victim(): Promise<Service>
}

/** Makes whichever of these services reaches the point first crash there, once, as `kill -9` does. They run with `crash-points.ts`. */
export function armCrash(services: readonly Service[], point: CrashPoint): ArmedCrash {
  mkdirSync(folder, { recursive: true })
  const token = join(mkdtempSync(join(folder, 'token-')), 'token')
  writeFileSync(token, point)
  const pidFiles = services.map(({ pid }) => pidFile(pid))
  for (const file of pidFiles) writeFileSync(file, token)
  const gone = Promise.race(services.map((service) => service.gone().then(() => service)))
  return {
    victim: async () => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`Nobody came ${point}.`)), patienceMs)
      })
      const victim = await Promise.race([gone, late]).finally(() => clearTimeout(timer))
      if (take(token) !== undefined) throw new Error(`${victim.name} ended, but not ${point}.`)
      rmSync(join(token, '..'), { recursive: true })
      for (const file of pidFiles) rmSync(file)
      return victim
    },
  }
}

/** For the armed process: forgets what was armed for an earlier process of the same pid. */
export function disarm(): void {
  rmSync(pidFile(process.pid), { force: true })
}

/** Where this process is to crash, if anywhere. */
export function armedPoint(): string | undefined {
  const token = read(pidFile(process.pid))
  return token === undefined ? undefined : read(token)
}

/** Ends this process here and now if it is to crash here. */
export function reach(point: CrashPoint): void {
  const token = read(pidFile(process.pid))
  if (token === undefined || read(token) !== point) return
  if (take(token) === point) process.kill(process.pid, 'SIGKILL')
}

/** What the file holds, for the one who removes it. */
function take(file: string): string | undefined {
  const text = read(file)
  try {
    unlinkSync(file)
    return text
  } catch {
    return undefined
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
