/** What notices a mutant: a test, the histories of a simulator, or the search of every state of a small world. */
export type Catcher =
  | { readonly kind: 'test'; readonly file: string; readonly name: string }
  | { readonly kind: 'histories'; readonly simulator: string; readonly from: number; readonly count: number }
  | { readonly kind: 'search'; readonly scenario: string }

/** A rule taken out of the sources on purpose. */
export interface Mutant {
  /** What the sources do without the rule. */
  readonly fault: string
  /** The package, and the file under its `src`: `raft/election.ts`. */
  readonly file: string
  /** The text that is replaced, where it occurs first. */
  readonly code: string
  readonly replacement: string
  /** Each of them fails with the mutant, and passes without it. */
  readonly caughtBy: readonly Catcher[]
}

/** A test of a package, by package and name of its file, without `.test.ts`, and the end of its own name. */
export function test(file: string, name: string): Catcher {
  const [home = '', part = ''] = file.split('/')
  return { kind: 'test', file: `packages/${home}/test/${part}.test.ts`, name }
}

/** An attack on the whole system, by the name of its file and the end of its own name. */
export function attack(file: string, name: string): Catcher {
  return { kind: 'test', file: `test/simulation/attacks/${file}.test.ts`, name }
}

/** What the contract with a store asks of one. */
export function conformance(store: string, sentence: string): Catcher {
  return { kind: 'test', file: `test/conformance/${store}.test.ts`, name: sentence }
}

/** A scenario of `test/model`, by its name. */
export function search(scenario: string): Catcher {
  return { kind: 'search', scenario }
}

/** Where a mutant's file lies, from the root of the repository. */
export function pathOf({ file }: Pick<Mutant, 'file'>): string {
  const [home = '', ...rest] = file.split('/')
  return ['packages', home, 'src', ...rest].join('/')
}

/** As a reader would say it. */
export function describe(catcher: Catcher): string {
  switch (catcher.kind) {
    case 'test':
      return `${catcher.file}, ${catcher.name}`
    case 'histories':
      return `the histories of ${catcher.simulator}`
    case 'search':
      return `the search of "${catcher.scenario}"`
  }
}
