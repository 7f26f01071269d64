import { type FaultKind, faultKinds } from './plan.ts'
import type { Fall, Program } from './program.ts'
import { type Strike, seconds } from './strikes.ts'
import type { Watch } from './watch.ts'

/** A process whose disk is full may end by itself, a little later. */
const fallGraceMs = 3_000

/** Processes that ended by themselves, without a full disk as their reason. */
export function unexplainedFalls(programs: readonly Program[], strikes: readonly Strike[]): readonly Fall[] {
  const disks = strikes.filter(({ kind }) => kind === 'fill disk')
  return programs
    .flatMap(({ falls }) => falls)
    .filter(
      ({ name, atMs }) =>
        !disks.some(
          ({ target, fromMs, toMs }) => target.endsWith(name) && atMs >= fromMs && atMs <= toMs + fallGraceMs,
        ),
    )
}

/** What happened, by numbers. */
export function report({
  watch,
  strikes,
  startedMs,
  faultsOverMs,
}: {
  readonly watch: Watch
  readonly strikes: readonly Strike[]
  readonly startedMs: number
  readonly faultsOverMs: number
}): string {
  const { begun, committed, aborted, unknown, hazards, doubts, aborts, audits, audited, open } = watch
  const reasons = [...aborts].toSorted((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${count}`)
  const spent = seconds(watch.longestPauseMs(startedMs, faultsOverMs)).trim()
  return [
    `Transfers: ${begun} begun, ${committed} committed, ${aborted} aborted, ${unknown} not known to their clients, ${hazards} with hazards, ${open.size} open`,
    `Aborted because of: ${reasons.join(', ') || 'nothing'}`,
    `Told "in doubt" ${doubts} times, and asked again`,
    `Audits: ${audited} read the total, ${audits.length - audited} were aborted or in doubt`,
    `Longest pause without a commit: ${spent}`,
    'Faults, and what became of the transfers that they met:',
    ...faultKinds.flatMap((kind) => lineOf(kind, strikes, watch)),
  ].join('\n')
}

function lineOf(kind: FaultKind, strikes: readonly Strike[], { outcomes }: Watch): readonly string[] {
  const own = strikes.filter((strike) => strike.kind === kind)
  if (own.length === 0) return [`  ${kind.padEnd(22)} never`]
  const met = own.flatMap(({ inFlight }) => inFlight)
  const ended = (what: string): number => met.filter((transfer) => outcomes.get(transfer) === what).length
  const inVain = own.filter(({ inFlight }) => inFlight.length === 0).length
  const counts = `${String(own.length).padStart(4)} times, ${inVain} in vain; met ${met.length}: `
  return [`  ${kind.padEnd(22)} ${counts}${ended('committed')} committed, ${ended('aborted')} aborted`]
}
