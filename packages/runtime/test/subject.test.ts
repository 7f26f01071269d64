import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFilter, isSubject, matches } from '../src/subject.ts'

const token = fc.constantFrom('a', 'b', 'A', 'a-b', '0')
const subject = fc.array(token, { minLength: 1, maxLength: 4 })
const filter = fc
  .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }), fc.boolean())
  .map(([tokens, open]) => (open ? [...tokens, '>'] : tokens))
  .filter((tokens) => tokens.length > 0)

/** What the words of the NATS documentation say, as a regular expression. */
function pattern(tokens: readonly string[]): RegExp {
  const parts = tokens.map((each) => (each === '*' ? '[^.]+' : each === '>' ? '.+' : each))
  return new RegExp(`^${parts.join('\\.')}$`)
}

test('a filter matches the subjects that its wildcards stand for', () => {
  fc.assert(
    fc.property(filter, subject, (wanted, given) => {
      expect(matches(wanted, given)).toBe(pattern(wanted).test(given.join('.')))
    }),
    { numRuns: 2000 },
  )
})

test('every subject is a filter that matches itself', () => {
  fc.assert(
    fc.property(subject, (tokens) => {
      expect(isSubject(tokens.join('.'))).toBe(true)
      expect(isFilter(tokens.join('.'))).toBe(true)
      expect(matches(tokens, tokens)).toBe(true)
    }),
  )
})

test.each(['', '.', 'a.', '.a', 'a..b', 'a b', 'a\tb', 'a\r\n', 'x'.repeat(1025)])('%j is neither', (given) => {
  expect([isSubject(given), isFilter(given)]).toEqual([false, false])
})

test.each(['*', '>', 'a.*', '*.a', 'a.>', '*.>'])('%j is a filter and no subject', (given) => {
  expect([isSubject(given), isFilter(given)]).toEqual([false, true])
})

test.each(['>.a', 'a.>.b', 'a*', 'a.b>', '**'])('%j is neither: a wildcard stands alone, ">" at the end', (given) => {
  expect([isSubject(given), isFilter(given)]).toEqual([false, false])
})
