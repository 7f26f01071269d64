import type { Books } from './books.ts'
import type { Begun, Entry, Told } from './ledger.ts'

/** What was examined, and what is wrong with it. */
export interface Finding {
  readonly what: string
  readonly problems: readonly string[]
}

/** Everything that is known at the end. */
export interface Evidence {
  readonly books: readonly Books[]
  /** What all clients and the auditor wrote down. */
  readonly entries: readonly Entry[]
  /** What each account held at first. */
  readonly openingCents: number
}

type Outcome = 'committed' | 'aborted'

/** Holds what the stores have against what the clients were told, and the stores against each other. */
export function judge({ books, entries, openingCents }: Evidence): Finding[] {
  const begun = new Map(entries.filter((entry) => entry.kind === 'begun').map((entry) => [entry.transfer, entry]))
  const told = outcomesTold(entries)
  const moved = movementsOf(books)
  return [
    {
      what: `nobody was told two outcomes of one transfer (${begun.size} transfers)`,
      problems: [...told].filter(([, outcomes]) => outcomes.size > 1).map(([transfer]) => transfer),
    },
    {
      what: `what was told committed is there, once, everywhere (${count(told, 'committed')})`,
      problems: [...begun.values()].flatMap((transfer) =>
        told.get(transfer.transfer)?.has('committed') ? differences(transfer, moved.get(transfer.transfer)) : [],
      ),
    },
    {
      what: `what was told aborted is nowhere (${count(told, 'aborted')})`,
      problems: [...begun.keys()].filter((transfer) => told.get(transfer)?.has('aborted') && moved.has(transfer)),
    },
    {
      what: 'what nobody was told of is there, once, everywhere, or nowhere',
      problems: [...begun.values()].flatMap((transfer) => {
        const found = moved.get(transfer.transfer)
        return told.has(transfer.transfer) || found === undefined ? [] : differences(transfer, found)
      }),
    },
    {
      what: 'there is nothing that no client began',
      problems: [...moved.keys()].filter((transfer) => !begun.has(transfer)),
    },
    {
      what: 'each account holds what its movements come to',
      problems: books.flatMap((own) => imbalances(own, openingCents)),
    },
    { what: 'the total is what it was', problems: totalProblems(books, openingCents) },
    {
      what: 'no branch is prepared any more',
      problems: books.flatMap(({ bank, prepared }) => prepared.map((id) => `${bank} holds ${id}`)),
    },
    { what: 'all stores say the same of each transaction', problems: contradictions(books) },
    auditFinding(books, entries, openingCents),
    {
      what: 'nobody met a hazard',
      problems: entries.flatMap((entry) => (entry.kind === 'told' && entry.what === 'hazard' ? [entry.transfer] : [])),
    },
  ]
}

function outcomesTold(entries: readonly Entry[]): Map<string, Set<Outcome>> {
  const told = new Map<string, Set<Outcome>>()
  const isOutcome = (what: Told['what']): what is Outcome => what === 'committed' || what === 'aborted'
  for (const entry of entries) {
    if (entry.kind !== 'told' || !isOutcome(entry.what)) continue
    told.set(entry.transfer, (told.get(entry.transfer) ?? new Set()).add(entry.what))
  }
  return told
}

/** By transfer: movements as `bank/account cents`, sorted. */
function movementsOf(books: readonly Books[]): Map<string, string[]> {
  const moved = new Map<string, string[]>()
  for (const { bank, movements } of books) {
    for (const { transfer, account, cents } of movements) {
      const own = moved.get(transfer) ?? []
      own.push(`${bank}/${account} ${cents}`)
      moved.set(transfer, own)
    }
  }
  for (const own of moved.values()) own.sort()
  return moved
}

function differences({ transfer, places: [from, to], cents }: Begun, found: readonly string[] = []): string[] {
  const expected = [`${from.bank}/${from.account} ${-cents}`, `${to.bank}/${to.account} ${cents}`].toSorted()
  if (expected.join() === found.join()) return []
  return [`${transfer}: expected ${expected.join(' and ')}, found ${found.join(' and ') || 'nothing'}`]
}

function imbalances({ bank, balances, movements }: Books, openingCents: number): string[] {
  const expected = new Map([...balances.keys()].map((account) => [account, openingCents]))
  for (const { account, cents } of movements) expected.set(account, (expected.get(account) ?? 0) + cents)
  return [...expected].flatMap(([account, cents]) =>
    balances.get(account) === cents
      ? []
      : [`${bank}/${account} holds ${balances.get(account)}, its movements come to ${cents}`],
  )
}

function totalProblems(books: readonly Books[], openingCents: number): string[] {
  const [found, expected] = [sum(books.flatMap(({ balances }) => [...balances.values()])), total(books, openingCents)]
  return found === expected ? [] : [`all accounts hold ${found} cents, ${expected} were expected`]
}

function contradictions(books: readonly Books[]): string[] {
  const states = new Map<string, Set<string>>()
  for (const { ended, prepared } of books) {
    for (const { id, state } of ended) states.set(id, (states.get(id) ?? new Set()).add(state))
    const endedHere = new Set(ended.map(({ id }) => id))
    for (const id of prepared) if (endedHere.has(id)) states.set(id, (states.get(id) ?? new Set()).add('prepared'))
  }
  return [...states].filter(([, found]) => found.size > 1).map(([id, found]) => `${id} is ${[...found].join(' and ')}`)
}

function auditFinding(books: readonly Books[], entries: readonly Entry[], openingCents: number): Finding {
  const audits = entries.filter((entry) => entry.kind === 'audited' && entry.what === 'committed')
  const expected = total(books, openingCents)
  return {
    what: `every audit saw the whole total (${audits.length} audits)`,
    problems: audits.flatMap((entry) =>
      entry.kind === 'audited' && entry.cents !== expected
        ? [`at ${new Date(entry.atMs).toISOString()} it was ${entry.cents}, ${expected} were expected`]
        : [],
    ),
  }
}

function total(books: readonly Books[], openingCents: number): number {
  return sum(books.map(({ balances }) => balances.size)) * openingCents
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, number) => all + number, 0)
}

function count(told: ReadonlyMap<string, ReadonlySet<Outcome>>, outcome: Outcome): number {
  return [...told.values()].filter((outcomes) => outcomes.has(outcome)).length
}
