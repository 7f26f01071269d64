import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { LoneDecided, Outcome, Payload, Vote } from '@verdict/protocol'
import type { Observed } from './observed.ts'
import type { LonePoint, Path, TransactionPoint } from './point.ts'
import type { ScriptedTransaction } from './scripted-transaction.ts'
import { type Called, patienceMs, readValue, type Stage, wantedLock } from './stage.ts'

const blockedMs = 50 // without headway for so long, a run waits for a lock; if not, the two are only less close
const askAgainMs = 5
const shortMs = 50 // the budget of a call that runs out of it

/** One transaction of the example on the stage, and what was seen of it. */
export class Script {
  readonly #stage: Stage
  readonly #before: unknown
  readonly #tx: ScriptedTransaction
  readonly #early: unknown[] = []
  #called: Called | undefined
  #isReplaced = false

  /** `before` is the picture that the example begins with; undefined while nobody knows it. */
  constructor(stage: Stage, before: unknown, tx: ScriptedTransaction = stage.transaction()) {
    this.#stage = stage
    this.#before = before
    this.#tx = tx
  }

  async transaction(point: Omit<TransactionPoint, 'hold'>): Promise<Observed> {
    const { path, ending, gone, doubled } = point
    if (path === 'called') {
      if (doubled) this.#tx.call(patienceMs)
      if (!(await this.#call())) return this.#end('none')
      if (gone?.after === 'answer') await this.#replace(gone.how)
    }
    const vote = await this.#vote(path, doubled)
    if (path === 'one-shot' || vote.kind === 'refused') this.#called = calledBy(vote)
    const outcome = vote.kind === 'prepared' || vote.kind === 'read-only' ? ending : 'aborted'
    if (vote.kind === 'read-only') return this.#end(outcome)
    if (vote.kind === 'prepared') this.#early.push(await this.#stage.state())
    if (gone?.after === 'vote') await this.#replace(gone.how)
    await this.#tell(outcome, vote, point)
    if (gone?.after === 'acknowledgement') await this.#replace(gone.how)
    return this.#end(outcome)
  }

  /** No group: the participant decides by itself, and is asked until it tells (rule R9). */
  async lone({ path, gone, doubled }: LonePoint): Promise<Observed> {
    if (path === 'called') {
      if (doubled) this.#tx.call(patienceMs)
      if (!(await this.#call())) return this.#end('none')
      if (gone === 'answer') await this.#replace('crash')
    }
    const { answer } = await this.#decision(path, doubled)
    if (answer.kind === 'aborted') this.#called = { kind: 'refused', reason: answer.reason }
    else if (path === 'one-shot') this.#called = calledWith(answer.results)
    if (gone === 'decision') await this.#replace('crash')
    return this.#end(answer.kind === 'aborted' ? 'aborted' : 'committed')
  }

  /** The client gives up between its call and its commit. */
  async released(): Promise<Observed> {
    if (await this.#call()) {
      this.#tx.release()
      await this.#stage.quiet()
    }
    return this.#end('none')
  }

  /** What was sent before the abort arrives once more after it. */
  async late(): Promise<Observed> {
    if (!(await this.#call())) return this.#end('none')
    await this.#tell('aborted', await this.#vote('called'), { path: 'called' })
    this.#tx.call(patienceMs)
    await this.#tx.answer(patienceMs)
    await this.#vote('called')
    return this.#end('aborted')
  }

  async overtaken(): Promise<Observed> {
    this.#tx.outcome('called', 'aborted', undefined)
    await this.#acknowledged('called', 'aborted', undefined)
    this.#tx.call(patienceMs)
    await this.#tx.answer(patienceMs)
    return this.#end('aborted')
  }

  /** The branch ends while the operation waits for its first statement, and goes on after that. */
  async outOfTime(): Promise<Observed> {
    const { probe } = this.#stage.life
    const called = await this.#stage.call(this.#tx, shortMs)
    this.#called = called.kind === 'held' ? this.#stage.called(await this.#tx.answer(this.#stage.budgetMs)) : called
    await this.#stage.quiet()
    probe.release()
    const endsAtMs = performance.now() + this.#stage.budgetMs
    while (this.#stage.runs.some(({ end }) => end === undefined) && performance.now() < endsAtMs)
      await sleep(askAgainMs)
    return this.#end('none')
  }

  /** Another transaction of the same call begins before this one commits. */
  async atOnce(): Promise<Observed> {
    if (!(await this.#call())) return this.#end('none')
    const other = this.#stage.transaction()
    other.call(patienceMs)
    const answered = other.answer(patienceMs)
    await this.#answeredOrBlocked(answered)
    const isFirst = await this.#commit()
    const called = this.#stage.called(await answered)
    const isSecond = called.kind === 'value' && (await new Script(this.#stage, undefined, other).#commit())
    const state = await this.#stage.state()
    const seen = this.#seen(isFirst || isSecond ? 'committed' : 'aborted', state)
    return { ...seen, again: isFirst && isSecond ? { called, state } : undefined, isLocked: false }
  }

  /** Calls, and takes a picture before the outcome. False where there is no value to go on with. */
  async #call(): Promise<boolean> {
    const called = await this.#stage.call(this.#tx)
    this.#called = called
    if (called.kind === 'held' || called.kind === 'stuck') await this.#replace('crash')
    if (called.kind === 'refused') await this.#stage.quiet()
    if (called.kind !== 'value') return false
    this.#early.push(await this.#stage.state())
    return true
  }

  /** Waits for the answer of a second run, or until no run makes headway any more: it waits for a lock then. */
  async #answeredOrBlocked(answered: Promise<unknown>): Promise<void> {
    let isAnswered = false
    void answered.then(() => {
      isAnswered = true
    })
    const headway = (): string => this.#stage.runs.map(({ statements }) => statements.map((s) => s.hasEnded)).join(' ')
    let [seen, sinceMs] = [headway(), performance.now()]
    while (!isAnswered && (this.#stage.runs.length < 2 || performance.now() - sinceMs < blockedMs)) {
      await sleep(askAgainMs)
      const now = headway()
      if (now !== seen) [seen, sinceMs] = [now, performance.now()]
    }
  }

  async #replace(how: 'crash' | 'stop'): Promise<void> {
    await this.#stage.replace(how)
    this.#isReplaced = true
  }

  /** Asks for the vote until there is one; when the instance dies over it, any other. */
  async #vote(path: Path, doubled = false): Promise<Vote> {
    const endsAtMs = performance.now() + patienceMs
    while (performance.now() < endsAtMs) {
      const to = path === 'called' && !this.#isReplaced ? this.#stage.life.instance : undefined
      this.#tx.prepare(path, to)
      if (doubled) this.#tx.prepare(path, to)
      const got = await this.#stage.orHeld((signal) => this.#tx.vote(patienceMs, signal))
      if (got === 'held') await this.#replace('crash')
      else if (got !== undefined && !isUnderway(got.vote)) return got.vote
      else await sleep(askAgainMs)
    }
    throw silent('vote')
  }

  /** Asks the participant to decide until it has; when the instance dies over it, any other. */
  async #decision(path: Path, doubled = false): Promise<LoneDecided & { readonly answer: LoneOutcome }> {
    const endsAtMs = performance.now() + patienceMs
    for (let again = false; performance.now() < endsAtMs; again = true) {
      const to = path === 'called' && !this.#isReplaced ? this.#stage.life.instance : undefined
      this.#tx.alone(path, again, to)
      if (doubled) this.#tx.alone(path, true, to)
      const got = await this.#stage.orHeld((signal) => this.#tx.decision(patienceMs, signal))
      if (got === 'held') await this.#replace('crash')
      else if (got !== undefined && isOutcome(got)) return got
      else await sleep(askAgainMs)
    }
    throw silent('decision')
  }

  /** Tells the outcome, or waits to be asked for it, until it is acknowledged. */
  async #tell(
    outcome: Outcome,
    vote: Vote,
    { path, asks, doubled }: Pick<TransactionPoint, 'path' | 'asks' | 'doubled'>,
  ): Promise<void> {
    const token = vote.kind === 'prepared' ? vote.token : undefined
    if (asks) {
      const { instance } = this.#stage.life
      const found = await this.#tx.inquiry(instance, patienceMs)
      if (found === undefined) throw silent('inquiry')
      this.#tx.answerInquiry(path, outcome, instance, found)
    } else this.#tx.outcome(path, outcome, token)
    if (doubled) this.#tx.outcome(path, outcome, token)
    await this.#acknowledged(path, outcome, token)
  }

  async #acknowledged(
    path: Path,
    outcome: Outcome,
    token: Parameters<ScriptedTransaction['outcome']>[2],
  ): Promise<void> {
    const got = await this.#stage.orHeld((signal) => this.#tx.acknowledgement(patienceMs, signal))
    if (got === undefined) throw silent('acknowledgement')
    if (got !== 'held') return
    await this.#replace('crash')
    this.#tx.outcome(path, outcome, token)
    await this.#acknowledged(path, outcome, token)
  }

  async #commit(): Promise<boolean> {
    const vote = await this.#vote('called')
    if (vote.kind === 'prepared') await this.#tell('committed', vote, { path: 'called' })
    return vote.kind === 'prepared' || vote.kind === 'read-only'
  }

  /** The picture at the end, and whether the example can run once more: what it begins with is there, and no lock is left. */
  async #end(outcome: Outcome | 'none'): Promise<Observed> {
    const state = await this.#stage.state()
    const seen = this.#seen(outcome, state)
    if (this.#called?.kind === 'stuck') return { ...seen, again: undefined, isLocked: false }
    const next = new Script(this.#stage, undefined)
    const called = await this.#stage.call(next.#tx)
    const isLocked = wantedLock(called)
    const isTrial = this.#before === undefined
    const isBack = outcome !== 'committed' && isDeepStrictEqual(state, this.#before)
    const comparable = !isLocked && (isTrial || isBack)
    if (called.kind !== 'value') await this.#stage.quiet()
    else if (comparable) await next.#commit()
    else next.#tx.release()
    const again = comparable ? { called, state: await this.#stage.state() } : undefined
    return { ...seen, again, isLocked }
  }

  #seen(outcome: Outcome | 'none', state: unknown): Omit<Observed, 'again' | 'isLocked'> {
    const { runs, isReached } = this.#stage
    return { runs, isReached, early: this.#early, outcome, state, called: this.#called }
  }
}

function isUnderway(vote: Vote): boolean {
  return vote.kind === 'busy' && vote.found === 'underway'
}

/** What a vote says of a one-shot's operation; nothing when its results died with the instance that ran it. */
function calledBy(vote: Vote): Called | undefined {
  if (vote.kind === 'refused') return { kind: 'refused', reason: vote.reason }
  if (vote.kind === 'busy') return undefined
  return calledWith(vote.results)
}

function calledWith(results: readonly Payload[] | undefined): Called | undefined {
  const [result] = results ?? []
  return result && { kind: 'value', value: readValue(result) }
}

type LoneOutcome = Extract<LoneDecided['answer'], { kind: 'committed' | 'aborted' | 'read-only' }>

function isOutcome(decided: LoneDecided): decided is LoneDecided & { readonly answer: LoneOutcome } {
  const { kind } = decided.answer
  return kind === 'committed' || kind === 'aborted' || kind === 'read-only'
}

function silent(what: string): Error {
  return new Error(
    `The participant gave no ${what} within ${patienceMs} ms, so its crash test cannot go on. Is its store there?`,
  )
}
