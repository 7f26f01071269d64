/** What notices a mutant: a test of this package, or the histories of the simulator that `npm test` runs. */
export type Catcher =
  | { readonly kind: 'test'; readonly file: string; readonly name: string }
  | { readonly kind: 'histories' }

/** A rule taken out of the sources on purpose. */
export interface Mutant {
  /** What the sources do without the rule. */
  readonly fault: string
  /** Under `src`. */
  readonly file: string
  /** The text that is replaced, where it occurs first. */
  readonly code: string
  readonly replacement: string
  /** Each of them fails with the mutant, and passes without it. */
  readonly caughtBy: readonly Catcher[]
}

/** A test by the name of its file, without `.test.ts`, and the end of its own name. */
export function test(file: string, name: string): Catcher {
  return { kind: 'test', file, name }
}

/** One of the simulator's histories at least: it ends with the first that fails. */
export const histories: Catcher = { kind: 'histories' }

/** As a reader would say it. */
export function describe(catcher: Catcher): string {
  return catcher.kind === 'test' ? `${catcher.file}.test.ts, ${catcher.name}` : 'the histories of the simulator'
}
