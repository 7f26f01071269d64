import { readFileSync } from 'node:fs'

/** Bytes of memory that a process has for itself: what it maps of files is counted as files. Linux only. */
export function memoryOf(pid: number | 'self'): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kib === undefined) throw new Error(`/proc/${pid}/status does not say RssAnon: expected Linux 4.5 or later.`)
  return Number(kib) * 1024
}
