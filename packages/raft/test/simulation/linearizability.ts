/** What somebody did, and between which two moments it can have taken effect. */
export interface Operation<Input, Output> {
  readonly input: Input
  /** What whoever asked was told. Undefined when nobody knows: it took effect at some moment after `calledAt`, or never. */
  readonly output: Output | undefined
  /** Moments of one clock. No two are equal. */
  readonly calledAt: number
  /** Infinite when nobody knows the output. */
  readonly returnedAt: number
}

/** One object as it would behave if everything happened to it one after the other. */
export interface SequentialObject<Input, Output> {
  /** States are told apart by their text. */
  readonly initial: string
  /** The state after an operation, or undefined if it cannot have had this output there. An unknown output is always possible. */
  readonly apply: (state: string, input: Input, output: Output | undefined) => string | undefined
  /** Whether an operation with this output leaves every state as it is, wherever it is possible. */
  readonly changesNothing: (input: Input, output: Output | undefined) => boolean
}

export interface Linearization<Input, Output> {
  /** Undecided when there are too many ways to order the history to try all of them. */
  readonly outcome: 'linearizable' | 'impossible' | 'undecided'
  /** An order in which all could have happened; if none was found, the longest that was. */
  readonly order: readonly Operation<Input, Output>[]
}

/** Fifty times what histories of the simulation take that are linearizable; one that is not may have more ways than can be tried. */
const maxVisited = 50_000

/** A moment of the history, in a list from which those of placed operations are taken out. */
interface Moment {
  readonly kind: 'call' | 'return'
  readonly operation: number
  before: Moment | undefined
  after: Moment | undefined
  /** The moment at which the operation returns, unless it never does. */
  end: Moment | undefined
}

/**
 * Whether one object can have answered so: the algorithm of Wing and Gong (1993) with the memory of Lowe (2017), as in Porcupine.
 * Operations are placed one after the other, each among those that were called before the first return that is still open; a
 * set of placed operations that led to the same state before need not be tried again, and one that changes nothing nowhere but where
 * it fits first: later it could only do the same.
 */
export function linearize<Input, Output>(
  object: SequentialObject<Input, Output>,
  operations: readonly Operation<Input, Output>[],
): Linearization<Input, Output> {
  const start = momentsOf(operations)
  const placed = new Uint32Array(Math.ceil(operations.length / 32))
  const visited = new Set<string>()
  const path: { readonly moment: Moment; readonly state: string }[] = []
  let open = operations.filter(({ returnedAt }) => Number.isFinite(returnedAt)).length
  let state = object.initial
  let longest: readonly number[] = []
  let moment = start.after
  const orderOf = (places: readonly number[]): readonly Operation<Input, Output>[] =>
    places.map((place) => operations[place] as Operation<Input, Output>)

  while (open > 0) {
    if (visited.size > maxVisited) return { outcome: 'undecided', order: orderOf(longest) }
    if (moment?.kind === 'call') {
      const { input, output } = operations[moment.operation] as Operation<Input, Output>
      const next = object.apply(state, input, output)
      if (next !== undefined && isNew(visited, placed, moment.operation, next)) {
        path.push({ moment, state })
        state = next
        flip(placed, moment.operation)
        takeOut(moment)
        if (moment.end !== undefined) open--
        moment = start.after
      } else moment = moment.after
      continue
    }
    // A return whose operation has no place yet, or the end: something before was placed wrongly.
    if (path.length > longest.length) longest = path.map((step) => step.moment.operation)
    for (;;) {
      const last = path.pop()
      if (last === undefined) return { outcome: 'impossible', order: orderOf(longest) }
      state = last.state
      flip(placed, last.moment.operation)
      putBack(last.moment)
      if (last.moment.end !== undefined) open++
      moment = last.moment.after
      const { input, output } = operations[last.moment.operation] as Operation<Input, Output>
      if (!object.changesNothing(input, output)) break
    }
  }
  return { outcome: 'linearizable', order: orderOf(path.map((step) => step.moment.operation)) }
}

/** Splits a history by the object that each operation is about: each is linearizable by itself, or the whole is not. */
export function byObject<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  objectOf: (input: Input) => string,
): ReadonlyMap<string, readonly Operation<Input, Output>[]> {
  return Map.groupBy(operations, ({ input }) => objectOf(input))
}

/** The list of calls and returns, in the order of time, behind a moment that is none of them. */
function momentsOf(operations: readonly Operation<unknown, unknown>[]): Moment {
  const timed: { readonly at: number; readonly moment: Moment }[] = []
  for (const [operation, { calledAt, returnedAt }] of operations.entries()) {
    const blank = { operation, before: undefined, after: undefined, end: undefined }
    const end: Moment | undefined = Number.isFinite(returnedAt) ? { kind: 'return', ...blank } : undefined
    timed.push({ at: calledAt, moment: { kind: 'call', ...blank, end } })
    if (end !== undefined) timed.push({ at: returnedAt, moment: end })
  }
  const start: Moment = { kind: 'call', operation: -1, before: undefined, after: undefined, end: undefined }
  let last = start
  for (const { moment } of timed.sort((one, other) => one.at - other.at)) {
    last.after = moment
    moment.before = last
    last = moment
  }
  return start
}

function takeOut(moment: Moment): void {
  for (const one of [moment, moment.end]) {
    if (one === undefined) continue
    if (one.before !== undefined) one.before.after = one.after
    if (one.after !== undefined) one.after.before = one.before
  }
}

/** Undoes `takeOut`, in the reverse order of its steps. */
function putBack(moment: Moment): void {
  for (const one of [moment.end, moment]) {
    if (one === undefined) continue
    if (one.before !== undefined) one.before.after = one
    if (one.after !== undefined) one.after.before = one
  }
}

function flip(placed: Uint32Array, operation: number): void {
  const word = operation >>> 5
  placed[word] = (placed[word] ?? 0) ^ (1 << (operation & 31))
}

/** Whether the operation leads to what was not there before, and remembers it. */
function isNew(visited: Set<string>, placed: Uint32Array, operation: number, state: string): boolean {
  flip(placed, operation)
  const key = `${placed.join(' ')} ${state}`
  flip(placed, operation)
  if (visited.has(key)) return false
  visited.add(key)
  return true
}
