import type { LogIndex } from './message.ts'

/** Marks are set after so many entries or bytes of the log: compaction by bytes goes by them. */
const entriesBetweenMarks = 1024
const bytesBetweenMarks = 1024 * 1024

/** How many bytes of the log lie behind an index, to the nearest mark. */
export class LogSizes {
  /** `bytes` counts everything up to `index`. */
  private marks: { readonly index: LogIndex; readonly bytes: number }[] = []
  private bytes = 0
  private entriesSinceMark = 0
  private bytesSinceMark = 0

  added(index: LogIndex, bytes: number): void {
    this.bytes += bytes
    this.bytesSinceMark += bytes
    this.entriesSinceMark++
    if (this.entriesSinceMark < entriesBetweenMarks && this.bytesSinceMark < bytesBetweenMarks) return
    this.marks.push({ index, bytes: this.bytes })
    this.entriesSinceMark = 0
    this.bytesSinceMark = 0
  }

  /** Entries from `index` on are gone. Their bytes since the last mark count on: marks are approximate. */
  removedFrom(index: LogIndex): void {
    this.marks = this.marks.filter((mark) => mark.index < index)
  }

  /** Entries up to `index` are gone. */
  removedUpTo(index: LogIndex): void {
    this.marks = this.marks.filter((mark) => mark.index > index)
  }

  /** The last mark behind which there are at least so many bytes; 0 when there is none. */
  indexBehind(bytes: number): LogIndex {
    return this.marks.findLast((mark) => this.bytes - mark.bytes >= bytes)?.index ?? (0 as LogIndex)
  }
}
