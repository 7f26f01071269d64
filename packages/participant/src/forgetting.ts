import { type Epoch, type GroupId, groupOf, parseId, type SweepAnswer, type TransactionId } from '@verdict/protocol'
import type { BranchKey, Collected } from './resource.ts'

/** Groups whose floors are kept, of which a namespace has few. Rows of those beyond it stay: their age is not known. */
const maxGroups = 1_024

/** What one instance knows of a group's floor, and does below it. */
interface Memory {
  /** The largest horizon heard: ids at or below it are too old for anything new. */
  horizon: Epoch
  /** The floor as it is durable, by what this instance knows. */
  floor: Epoch
  /**
   * A round raises the floor, then goes through the rows below it, page by page: it collects a page, asks the group which of its
   * committed rows it has forgotten, and forgets those. Between two rounds there is rest.
   */
  step: 'rest' | 'raise' | 'collect' | 'ask' | 'forget'
  /** When the rest ends, or the step is tried again; undefined while there is nothing to do, or the resource is at it. */
  atMs: number | undefined
  /** How often in a row the step was tried. */
  tries: number
  /** Rounds in a row that have left rows behind, which their group needs still. */
  leavingRounds: number
  /** Whether the present round leaves any. */
  leaves: boolean
  /** Behind which row the next page begins; undefined for the oldest. */
  after: TransactionId | undefined
  /** Rows of the page that the group has not answered for. */
  readonly asked: Map<TransactionId, BranchKey>
  /** Rows of the page that the group has forgotten. */
  forgotten: readonly TransactionId[]
}

/** Floors and the rows below them, by group (rule R12). Plain data that this file alone changes. */
export type Forgetting = Map<GroupId, Memory>

export interface ForgettingLimits {
  readonly collectSpreadMs: number
  readonly maxCollectPauseMs: number
  readonly inquiryPauseMs: number
  readonly maxInquiryPauseMs: number
}

export type ForgettingEvent =
  /** The resource's floors at the start: an earlier life may have left rows below them. */
  | { readonly kind: 'started'; readonly floors: ReadonlyMap<GroupId, Epoch> }
  | { readonly kind: 'heard'; readonly group: GroupId; readonly horizon: Epoch }
  | { readonly kind: 'raised'; readonly group: GroupId; readonly floor: Epoch; readonly came: 'raised' | 'stood' }
  | { readonly kind: 'collected'; readonly group: GroupId; readonly collected: Collected }
  | { readonly kind: 'answered'; readonly group: GroupId; readonly answers: SweepAnswer['answers'] }
  | { readonly kind: 'forgot'; readonly group: GroupId }
  /** The resource could not do what it was asked for. */
  | { readonly kind: 'failed'; readonly group: GroupId }
  | { readonly kind: 'woke' }

export type ForgettingEffect =
  | { readonly kind: 'raise'; readonly group: GroupId; readonly floor: Epoch }
  | { readonly kind: 'collect'; readonly group: GroupId; readonly after: TransactionId | undefined }
  | { readonly kind: 'sweep'; readonly group: GroupId; readonly rows: readonly BranchKey[] }
  | { readonly kind: 'forget'; readonly group: GroupId; readonly ids: readonly TransactionId[] }

/** When an event is handled; `fraction` is a random number from [0, 1), drawn by whoever sends the event. */
export interface Moment {
  readonly nowMs: number
  readonly fraction: number
}

/** Whether the id is so old that this participant takes no part in its transaction any more, unless it does already. */
export function isExpired(forgetting: Forgetting, id: TransactionId): boolean {
  const memory = forgetting.get(groupOf(id))
  return memory !== undefined && parseId(id).epoch <= memory.horizon
}

/** The largest horizon heard of a group, or its floor; 0 when nothing is known. */
export function horizonOf(forgetting: Forgetting, group: GroupId): number {
  return forgetting.get(group)?.horizon ?? 0
}

/** When to wake it. */
export function forgettingWakeAtMs(forgetting: Forgetting): number | undefined {
  const times = [...forgetting.values()].flatMap(({ atMs }) => atMs ?? [])
  return times.length === 0 ? undefined : Math.min(...times)
}

/** Advances in place and says what to do. The same state, event and moment always give the same result. */
export function advanceForgetting(
  forgetting: Forgetting,
  event: ForgettingEvent,
  moment: Moment,
  limits: ForgettingLimits,
): readonly ForgettingEffect[] {
  switch (event.kind) {
    case 'started':
      for (const [group, floor] of event.floors) {
        const left = { leavingRounds: 1, ...soon(moment, limits) }
        forgetting.set(group, { ...blank, horizon: floor, floor, asked: new Map(), ...left })
      }
      return []
    case 'woke':
      return [...forgetting].flatMap(([group, memory]) =>
        memory.atMs !== undefined && memory.atMs <= moment.nowMs ? perform(group, memory, moment, limits) : [],
      )
    case 'heard':
      heard(forgetting, event, moment, limits)
      return []
    default: {
      const memory = forgetting.get(event.group)
      return memory === undefined ? [] : stepped(memory, event, moment, limits)
    }
  }
}

const blank = {
  step: 'rest',
  atMs: undefined,
  tries: 0,
  leavingRounds: 0,
  leaves: false,
  after: undefined,
  forgotten: [],
} as const

/** Not at once: of all instances that hear of it, the first one goes through the rows, and the others find the floor raised. */
function soon({ nowMs, fraction }: Moment, { collectSpreadMs }: ForgettingLimits): { readonly atMs: number } {
  return { atMs: nowMs + fraction * collectSpreadMs }
}

function heard(
  forgetting: Forgetting,
  { group, horizon }: Extract<ForgettingEvent, { kind: 'heard' }>,
  moment: Moment,
  limits: ForgettingLimits,
): void {
  const known = forgetting.get(group)
  if (horizon <= (known?.horizon ?? 0) || (known === undefined && forgetting.size >= maxGroups)) return
  const memory = known ?? { ...blank, horizon, floor: 0 as Epoch, asked: new Map() }
  memory.horizon = horizon
  forgetting.set(group, memory)
  if (memory.step === 'rest') memory.atMs ??= soon(moment, limits).atMs
}

type Stepped = Exclude<ForgettingEvent, { kind: 'started' | 'woke' | 'heard' }>

function stepped(
  memory: Memory,
  event: Stepped,
  moment: Moment,
  limits: ForgettingLimits,
): readonly ForgettingEffect[] {
  const { group } = event
  const go = (step: Memory['step']): readonly ForgettingEffect[] => {
    memory.step = step
    memory.tries = 0
    return perform(group, memory, moment, limits)
  }
  const goOn = (): readonly ForgettingEffect[] => {
    if (memory.asked.size > 0) return go('ask')
    if (memory.after !== undefined) return go('collect')
    memory.leavingRounds = memory.leaves ? Math.min(memory.leavingRounds + 1, maxDoublings) : 0
    rest(memory, moment, limits)
    return []
  }
  switch (event.kind) {
    case 'raised':
      memory.floor = event.floor
      if (event.came === 'raised') return go('collect')
      memory.leavingRounds = 0
      rest(memory, moment, limits)
      return []
    case 'collected': {
      const { last, logged } = event.collected
      memory.after = last
      for (const row of logged) memory.asked.set(row.id, row)
      return goOn()
    }
    case 'answered': {
      if (memory.step !== 'ask') return []
      const answers = event.answers.filter(({ id }) => memory.asked.delete(id))
      memory.forgotten = answers.filter(({ answer }) => answer === 'forgotten').map(({ id }) => id)
      memory.leaves ||= memory.forgotten.length < answers.length
      if (memory.forgotten.length > 0) return go('forget')
      return answers.length > 0 ? goOn() : []
    }
    case 'forgot':
      return goOn()
    case 'failed':
      memory.atMs = moment.nowMs + pauseMs(memory.tries, limits.maxInquiryPauseMs, moment, limits)
      return []
  }
}

/**
 * Until a higher horizon is heard. Where rows were left behind, the next round comes by itself and no earlier than that: their group may
 * need thousands of them for as long as one participant is away.
 */
function rest(memory: Memory, moment: Moment, limits: ForgettingLimits): void {
  const { leavingRounds, horizon, floor } = memory
  memory.step = 'rest'
  memory.tries = 0
  memory.after = undefined
  memory.leaves = false
  if (leavingRounds > 0) memory.atMs = moment.nowMs + pauseMs(leavingRounds, limits.maxCollectPauseMs, moment, limits)
  else memory.atMs = horizon > floor ? soon(moment, limits).atMs : undefined
}

function perform(
  group: GroupId,
  memory: Memory,
  moment: Moment,
  limits: ForgettingLimits,
): readonly ForgettingEffect[] {
  memory.tries = Math.min(memory.tries + 1, maxDoublings)
  memory.atMs = undefined
  if (memory.step === 'rest') memory.step = memory.horizon > memory.floor ? 'raise' : 'collect'
  switch (memory.step) {
    case 'raise':
      return [{ kind: 'raise', group, floor: memory.horizon }]
    case 'collect':
      return [{ kind: 'collect', group, after: memory.after }]
    case 'ask':
      // The answer may be lost, or nobody lead just now.
      memory.atMs = moment.nowMs + pauseMs(memory.tries, limits.maxInquiryPauseMs, moment, limits)
      return [{ kind: 'sweep', group, rows: [...memory.asked.values()] }]
    case 'forget':
      return [{ kind: 'forget', group, ids: memory.forgotten }]
  }
}

/** Between half and the whole pause, so that the instances of a participant do not try in step. */
function pauseMs(times: number, maxMs: number, { fraction }: Moment, { inquiryPauseMs }: ForgettingLimits): number {
  return Math.min(inquiryPauseMs * 2 ** (times - 1), maxMs) * (0.5 + fraction / 2)
}

/** Any pause has reached its maximum by then; it keeps the power finite. */
const maxDoublings = 20
