import type { BranchKey } from '@verdict/participant'
import {
  type Digest,
  isDigest,
  isToken,
  type ParticipantName,
  parseId,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import { type HistoryMark, isHistoryMark } from './history.ts'

/**
 * The name of a prepared transaction (rule R14):
 * `verdict_<participant>_<id>_<digest>_<token>_<history>`, where an id has five parts between `_` itself. The row of a prepared
 * branch is invisible, so its name carries all that an instance needs to vote for it, inquire about it, and end it.
 */
export type Gid = string & { readonly __brand: 'Gid' }

/** What a gid says. */
export interface PreparedBranch extends BranchKey {
  readonly history: HistoryMark
}

const application = 'verdict' // names of other users of prepared transactions do not begin like this
const maxGidLength = 199 // PostgreSQL refuses 200 bytes with 22023
const gidPattern = /^[a-z0-9_-]+$/

/** Makes the name of a branch. Its alphabet is safe between quotes in SQL: `PREPARE TRANSACTION` takes no parameters. */
export function makeGid(participant: ParticipantName, { id, digest, token, history }: PreparedBranch): Gid {
  const gid = `${gidPrefix(participant)}${id}_${digest}_${token}_${history}`
  if (!gidPattern.test(gid) || gid.length > maxGidLength) {
    throw new Error(`broken invariant: ${JSON.stringify(gid)} cannot name a prepared transaction`)
  }
  return gid as Gid
}

/** How all names of a participant begin; names of other participants, and of others than Verdict, begin differently. */
export function gidPrefix(participant: ParticipantName): string {
  return `${application}_${participant}_`
}

/** Reads a name; undefined when it is none of this participant's. */
export function readGid(gid: string, participant: ParticipantName): PreparedBranch | undefined {
  const prefix = gidPrefix(participant)
  if (!gid.startsWith(prefix)) return undefined
  const parts = gid.slice(prefix.length).split('_')
  const [digest = '', token = '', history = ''] = parts.slice(idParts)
  if (parts.length !== idParts + 3 || !isDigest(digest) || !isToken(token) || !isHistoryMark(history)) return undefined
  const id = parts.slice(0, idParts).join('_')
  if (!isId(id)) return undefined
  return { id, digest: digest as Digest, token: token as Token, history }
}

const idParts = 5 // group, incarnation, epoch, owner, marked random

function isId(text: string): text is TransactionId {
  try {
    parseId(text)
    return true
  } catch {
    return false
  }
}
