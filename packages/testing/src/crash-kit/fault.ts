/** Everything that the kit can find wrong, by its cause. */
export const faultKinds = {
  outside: "It writes outside the branch's transaction.",
  ended: "It ends the branch's transaction by itself.",
  race: 'Two at the same time lose an effect.',
  unawaited: 'It does not wait for a statement.',
  swallowed: 'It goes on after a statement failed, and commits the rest.',
  memory: 'Something of a run that came to nothing shows in the next one.',
  varies: 'On the same data it does not do the same.',
  locked: 'It leaves a lock behind.',
  unplain: 'What it returns cannot travel, or arrives as something else.',
  slow: 'It does not return in time.',
  network: 'It begins a network connection or a request.',
  refused: 'The example is refused.',
  unseen: 'The example changes nothing that `state` shows.',
  unsteady: '`reset` does not bring back the same data.',
} as const

export type FaultKind = keyof typeof faultKinds

/** One thing that is wrong, at one crash point. */
export interface Fault {
  readonly kind: FaultKind
  /** What would go wrong, and the likely cause. */
  readonly sentence: string
  /** What to do about it. */
  readonly remedy: string
  /** What was seen, for who wants to look closer. */
  readonly seen?: string
  /** Of two faults of one kind the one with the higher rank tells more. */
  readonly rank: number
}

/** Faults that are only the look of another one: when the first was found, the others say nothing new. */
const explains: Readonly<Partial<Record<FaultKind, readonly FaultKind[]>>> = {
  unawaited: ['swallowed', 'race', 'memory', 'varies', 'slow'],
  outside: ['race', 'memory', 'varies', 'swallowed', 'network'],
  ended: ['outside', 'race', 'network'],
  race: ['network'],
  slow: ['network', 'race'],
  locked: ['network', 'race'],
  varies: ['memory', 'race'],
}

/** The faults that remain when each cause is told once, by its most telling point, in the order in which they were found. */
export function causes(found: readonly Fault[]): readonly Fault[] {
  const kinds = new Set(found.map(({ kind }) => kind))
  const explained = new Set([...kinds].flatMap((kind) => explains[kind] ?? []))
  return [...Map.groupBy(found, ({ kind }) => kind)]
    .filter(([kind]) => !explained.has(kind))
    .map(([, faults]) => faults.reduce((best, fault) => (fault.rank > best.rank ? fault : best)))
}
