import type { LogIndex } from './message.ts'

interface Waiter<Result> {
  readonly resolve: (result: Result) => void
  readonly reject: (error: Error) => void
}

/** Who waits for what was proposed here: at first by the proposal's number, once it is in the log by its place there. */
export class Proposals<Result> {
  private readonly untaken = new Map<number, Waiter<Result>>()
  private readonly taken = new Map<LogIndex, Waiter<Result>>()
  private whenIdle: (() => void)[] = []
  private last = 0

  /** A new proposal's number, and what whoever made it waits for. */
  add(): { readonly proposal: number; readonly result: Promise<Result> } {
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    this.untaken.set(++this.last, { resolve, reject })
    return { proposal: this.last, result: promise }
  }

  /** How many wait. */
  get size(): number {
    return this.untaken.size + this.taken.size
  }

  take(proposal: number, index: LogIndex): void {
    const waiter = this.untaken.get(proposal)
    if (waiter === undefined) return
    this.untaken.delete(proposal)
    this.taken.set(index, waiter)
  }

  refuse(proposal: number, error: Error): void {
    this.untaken.get(proposal)?.reject(error)
    this.untaken.delete(proposal)
    this.tellIdle()
  }

  /** The command at `index` was applied here. Whoever proposed it here is told; nobody may have. */
  applied(index: LogIndex, result: Result): void {
    this.taken.get(index)?.resolve(result)
    this.taken.delete(index)
    this.tellIdle()
  }

  /** What is in the log and not applied yet may come to either end. */
  giveUpTaken(error: Error): void {
    for (const { reject } of this.taken.values()) reject(error)
    this.taken.clear()
    this.tellIdle()
  }

  giveUpUntaken(error: Error): void {
    for (const { reject } of this.untaken.values()) reject(error)
    this.untaken.clear()
    this.tellIdle()
  }

  /** Resolves when nobody waits any more. */
  idle(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.whenIdle.push(resolve)
    this.tellIdle()
    return promise
  }

  private tellIdle(): void {
    if (this.whenIdle.length === 0 || this.size > 0) return
    for (const resolve of this.whenIdle) resolve()
    this.whenIdle = []
  }
}
