import type { PrepareResult, Row } from '@verdict/participant'
import type { Digest, Outcome, Token } from '@verdict/protocol'

/** Which opening took effect, or is about to: what a row remembers, and nobody but the search reads. */
interface Executed {
  readonly digest: Digest
  readonly token: Token
  readonly calls: number
}

/** The participant's durable store: one row for the one transaction, and what has taken effect so far. */
export interface Resource {
  row: { readonly state: 'nothing' | 'aborted' } | ({ readonly state: 'prepared' | 'committed' } & Executed)
  /** Every opening whose effects became final. */
  readonly effects: Token[]
}

export function newResource(): Resource {
  return { row: { state: 'nothing' }, effects: [] }
}

/** What is there; `isUnderway` while some instance writes the row. */
export function lookAt({ row }: Resource, isUnderway: boolean): Row {
  switch (row.state) {
    case 'nothing':
      return { state: isUnderway ? 'underway' : 'nothing' }
    case 'aborted':
      return { state: 'aborted' }
    case 'prepared':
      return { state: 'prepared', digest: row.digest, token: row.token, history: 'same' }
    case 'committed':
      return { state: 'committed', mode: 'logged', digest: row.digest, token: row.token }
  }
}

/** Writes the row of a branch, where there is none yet: the id is its unique key. */
export function prepareIn(resource: Resource, branch: Executed): PrepareResult {
  if (resource.row.state !== 'nothing') return { kind: 'exists' }
  resource.row = { state: 'prepared', ...branch }
  return { kind: 'prepared' }
}

export function finishIn(
  resource: Resource,
  { digest, token }: Pick<Executed, 'digest' | 'token'>,
  ending: Outcome | 'discarded',
): 'done' | 'absent' {
  const { row, effects } = resource
  if (row.state !== 'prepared' || row.digest !== digest || row.token !== token) return 'absent'
  if (ending === 'committed') {
    effects.push(token)
    resource.row = { ...row, state: 'committed' }
  } else resource.row = { state: ending === 'aborted' ? 'aborted' : 'nothing' }
  return 'done'
}

export function tombstoneIn(resource: Resource, isUnderway: boolean): 'done' | 'exists' | 'busy' {
  if (resource.row.state !== 'nothing') return 'exists'
  if (isUnderway) return 'busy'
  resource.row = { state: 'aborted' }
  return 'done'
}
