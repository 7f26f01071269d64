import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

/** A line of the log, as far as the tests look at it. */
export interface Line {
  readonly level: number
  readonly msg: string
  readonly variable?: string
  readonly found?: string
  readonly expected?: string
  readonly count?: number
  readonly stopMs?: number
  readonly trace_id?: string
  readonly span_id?: string
  readonly trace_flags?: string
}

export interface Ended {
  readonly code: number | null
  readonly lines: readonly Line[]
  readonly err: string
}

/** Runs the small service with these variables; once it serves, `meanwhile`, and then it stops. */
export async function runSmallService(
  environment: Readonly<Record<string, string>>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<Ended> {
  const program = fileURLToPath(import.meta.resolve('./service.ts'))
  const child = spawn(process.execPath, ['--conditions=@verdict/source', program], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: 'pipe',
  })
  const err = text(child.stderr)
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  const lines: Line[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    // The console exporters write to stdout too, and not in JSON.
    if (!line.startsWith('{"level"')) continue
    lines.push(JSON.parse(line) as Line)
    if (lines.at(-1)?.msg !== 'serving') continue
    await meanwhile()
    child.stdin.end()
  }
  return { code: await exited, lines, err: await err }
}
