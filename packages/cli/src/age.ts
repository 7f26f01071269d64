const units = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1000 },
] as const

/** A length of time for people, in its largest unit: `3 min`. Clocks of two machines differ, so a negative one counts as none. */
export function describeAge(ageMs: number): string {
  const unit = units.find(({ ms }) => ageMs >= ms)
  return unit === undefined ? '0 s' : `${Math.floor(ageMs / unit.ms)} ${unit.name}`
}
