import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const readyTimeoutMs = 60_000 // a server that initialises its disk on a busy two-core machine was seen to need 10 s
const rememberedLines = 20 // enough of a log to see why a server did not start

/**
 * Waits until a line of the stream matches and returns the match. The stream is read to its end whatever happens, since a
 * child whose pipe nobody reads stops at a full pipe.
 * @throws Error with the last lines of the log when the stream ends, or 60 s pass, without such a line.
 */
export async function lineOf(stream: Readable, pattern: RegExp, what: string): Promise<RegExpExecArray> {
  const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
  const log: string[] = []
  const give = (why: string): void => reject(new Error(`${what} ${why}. Its last words:\n${log.join('\n')}`))
  const timer = setTimeout(() => give(`was not ready after ${readyTimeoutMs / 1000} s`), readyTimeoutMs)
  const lines = createInterface({ input: stream })
  lines.on('line', (line) => {
    const match = pattern.exec(line)
    if (match) resolve(match)
    log.push(line)
    if (log.length > rememberedLines) log.shift()
  })
  lines.on('close', () => give('ended before it was ready'))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

/** Waits until a child has ended; returns at once when it has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

// Reads pids, one a line, until the process that started it is gone; then ends the last of them and removes the folder.
const guardScript = `
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill -s "$1" "$pid" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
fi
if [ -n "$2" ]; then rm -rf -- "$2"; fi
`

/**
 * Keeps one child process at a time, and a folder, from outliving this process, however this process ends (`kill -9`
 * included): a shell that waits for the end of a pipe. Not on Windows, where there is no such shell.
 */
export class Guard {
  readonly #shell: ChildProcess | undefined

  /** `signal` is what ends the child; `folder`, when given, is removed after it. */
  constructor(signal: 'KILL' | 'QUIT' | 'TERM', folder = '') {
    if (process.platform === 'win32') return
    // A process group of its own: a terminal's Ctrl-C is for the process that it guards against.
    const stdio = ['pipe', 'ignore', 'ignore'] as const
    this.#shell = spawn('sh', ['-c', guardScript, 'guard', signal, folder], { stdio: [...stdio], detached: true })
    this.#shell.unref()
    const pipe = this.#shell.stdin
    pipe?.on('error', () => {}) // the guard was killed: it guards no more, which its owner cannot mend
    if (pipe instanceof Socket) pipe.unref()
  }

  /** Guards this child from now on, instead of the one before, until it ends. */
  watch(child: ChildProcess): void {
    this.#shell?.stdin?.write(`${child.pid}\n`)
    child.once('exit', () => this.#shell?.stdin?.write('\n'))
  }

  /** Ends the guard; nothing is killed or removed. */
  release(): void {
    this.#shell?.kill('SIGKILL')
  }
}
