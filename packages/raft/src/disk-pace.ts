/** A commit that took less may be followed by one that keeps the thread: whoever waits for a thread's turn waits for longer. */
const quickMs = 2

/** A commit that took so long would have held up heartbeats for a tenth of the shortest time-out of an election. */
const stallMs = 50

/** So long after a stall the thread is not kept: a disk that stalls again and again holds up heartbeats once in so long. */
const distrustMs = 60_000

/** How quick a disk is, to tell whether the thread may wait for its next commit. Times are monotonic milliseconds. */
export class DiskPace {
  private isQuick = false
  private distrustedUntilMs = Number.NEGATIVE_INFINITY

  /** Whether the thread may wait for a commit that begins now. */
  mayWait(nowMs: number): boolean {
    return this.isQuick && nowMs >= this.distrustedUntilMs
  }

  committed(beganMs: number, endedMs: number): void {
    const tookMs = endedMs - beganMs
    this.isQuick = tookMs < quickMs
    if (tookMs >= stallMs) this.distrustedUntilMs = endedMs + distrustMs
  }
}
