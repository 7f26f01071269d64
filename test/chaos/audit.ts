/**
 * The independent audit: reads all stores by their own means and the ledgers of all clients, and says whether they agree. It shares no code
 * with what it audits, so that a fault there cannot hide itself here.
 */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Books, readDatabase, readStore } from './books.ts'
import { judge } from './judge.ts'
import { entriesIn } from './ledger.ts'

const maxShown = 5 // problems of one kind: the first few tell the story

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ledgers: { type: 'string' },
    accounts: { type: 'string' },
    opening: { type: 'string' },
  },
})
const { ledgers = '.', accounts = '0', opening = '0' } = values
const [accountsEach, openingCents] = [Number(accounts), Number(opening)]
const entries = globSync(join(ledgers, '*.jsonl')).flatMap((file) => entriesIn(readFileSync(file, 'utf8')))
const findings = judge({ books: await Promise.all(positionals.map(read)), entries, openingCents })
for (const { what, problems } of findings) {
  console.log(`  ${problems.length === 0 ? '✓' : '✗'} ${what}`)
  for (const problem of problems.slice(0, maxShown)) console.log(`      ${problem}`)
  if (problems.length > maxShown) console.log(`      … and ${problems.length - maxShown} more`)
}
const balanced = findings.every(({ problems }) => problems.length === 0)
console.log(balanced ? '  The books balance.' : '  THE BOOKS DO NOT BALANCE.')
process.exitCode = balanced ? 0 : 1

/** `name=postgres://…` or `name=folder`. */
function read(place: string): Promise<Books> {
  const [, bank = '', where = ''] = /^([^=]+)=(.*)$/.exec(place) ?? []
  return where.startsWith('postgres:') ? readDatabase(bank, where) : readStore(bank, where, accountsEach, openingCents)
}
