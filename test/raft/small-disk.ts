import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A file system of its own, so small that it is soon full. */
export class SmallDisk implements Disposable {
  readonly folder: string

  private constructor(folder: string) {
    this.folder = folder
  }

  /** Mounts one; returns the reason, for people, when this machine does not permit that. */
  static mount(bytes: number): SmallDisk | string {
    const folder = mkdtempSync(join(tmpdir(), 'verdict-small-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'pipe' })
      return new SmallDisk(folder)
    } catch (error) {
      rmdirSync(folder)
      const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)
      return `this machine does not let us mount a small disk: ${reason}`
    }
  }

  [Symbol.dispose](): void {
    // At once out of sight, and gone when the last process has let go of it.
    execFileSync('umount', ['--lazy', this.folder], { stdio: 'pipe' })
    rmdirSync(this.folder)
  }
}
