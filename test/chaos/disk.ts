import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { SmallDisk } from '../raft/small-disk.ts'

const block = Buffer.alloc(256 * 1024)

/** A small disk that can be filled to the last byte, and freed again. */
export class Disk implements Disposable {
  readonly folder: string
  readonly #disk: SmallDisk

  private constructor(disk: SmallDisk) {
    this.#disk = disk
    this.folder = disk.folder
  }

  /** Returns the reason, for people, when this machine does not permit that. */
  static mount(bytes: number): Disk | string {
    const disk = SmallDisk.mount(bytes)
    return typeof disk === 'string' ? disk : new Disk(disk)
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder)
    return bavail * bsize
  }

  fill(): void {
    const file = openSync(this.#filler, 'a')
    try {
      for (;;) writeSync(file, block) // the last one is cut short, and the one after it fails
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
    } finally {
      closeSync(file)
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true })
  }

  [Symbol.dispose](): void {
    this.#disk[Symbol.dispose]()
  }

  get #filler(): string {
    return join(this.folder, 'filler')
  }
}
