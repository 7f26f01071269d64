import type { BranchKey } from '@verdict/participant'
import type { Digest, Outcome, ParticipantName, TransactionId } from '@verdict/protocol'
import { type Connection, isStoreError, sqlState } from './connection.ts'
import { type Gid, makeGid } from './gid.ts'
import { tombstoneOf } from './journal.ts'
import { findPrepared } from './look.ts'
import { sqlStates } from './reason.ts'
import { operations } from './tracing.ts'

export type Finish = 'done' | 'absent' | 'busy'
export type Ending = Outcome | 'discarded'

/** Ends a prepared branch (rule R14): one round trip to commit it. */
export async function finish(
  connection: Connection,
  participant: ParticipantName,
  key: BranchKey,
  ending: Ending,
): Promise<Finish> {
  const named = makeGid(participant, { ...key, history: connection.history })
  const ended = await endPrepared(connection, named, ending)
  const final = ended === 'absent' ? await finishOlder(connection, participant, key, ending) : ended
  return final === 'done' && ending === 'aborted' ? bury(connection, participant, key) : final
}

/** The branch is not there under this server's history: it was prepared before a failover, or ended, or lost. */
async function finishOlder(
  connection: Connection,
  participant: ParticipantName,
  key: BranchKey,
  ending: Ending,
): Promise<Finish> {
  const found = await findPrepared(connection, participant, key.id)
  if (!found || found.digest !== key.digest || found.token !== key.token) return 'absent'
  // Prepared this very moment, or under an older history: that one only a real outcome may end (rule R13).
  if (found.history === connection.history || ending === 'discarded') return 'busy'
  return endPrepared(connection, makeGid(participant, found), ending)
}

async function endPrepared(connection: Connection, gid: Gid, ending: Ending): Promise<Finish> {
  try {
    if (ending === 'committed') await connection.command(`commit prepared '${gid}'`, operations.commitPrepared)
    else await connection.command(`rollback prepared '${gid}'`, operations.rollbackPrepared)
    return connection.unconfirmed ? 'busy' : 'done'
  } catch (error) {
    if (sqlState(error) === sqlStates.undefinedObject) return 'absent'
    // 55000: another session is ending it. 0A000: it is another database's. Or the session ended, and the answer with it.
    if (isStoreError(error)) return 'busy'
    throw error
  }
}

/**
 * Leaves the row `aborted` that an abort has to leave, unless the floor does as well. Another opening may come in between; whoever asks
 * again finds it.
 */
async function bury(connection: Connection, participant: ParticipantName, { id, digest }: BranchKey): Promise<Finish> {
  const buried = await tombstone(connection, participant, id, digest)
  switch (buried) {
    case 'exists':
      return 'busy'
    case 'expired':
      return 'done'
    default:
      return buried
  }
}

/** Writes a row `aborted`, unless there is a row or a prepared branch, or the id is at or below the floor. */
export async function tombstone(
  connection: Connection,
  participant: ParticipantName,
  id: TransactionId,
  digest: Digest,
): Promise<'done' | 'exists' | 'busy' | 'expired'> {
  try {
    const { rowCount } = await connection.query(tombstoneOf(participant, id, digest), operations.insertRow)
    if (connection.unconfirmed) return 'busy'
    return rowCount === 1 ? 'done' : 'exists'
  } catch (error) {
    if (sqlState(error) === sqlStates.belowFloor) return 'expired'
    if (sqlState(error) !== sqlStates.lockNotAvailable) throw error
    return (await findPrepared(connection, participant, id)) ? 'exists' : 'busy'
  }
}
