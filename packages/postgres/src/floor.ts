import type { BranchKey, Collected } from '@verdict/participant'
import {
  type Epoch,
  type GroupId,
  type IdRange,
  idsUpTo,
  type ParticipantName,
  type TransactionId,
} from '@verdict/protocol'
import type { Connection, Statement } from './connection.ts'

// Floors, and what is deleted below them (rule R12). A session that writes a row learns of the floor from a trigger, after the row is
// in its index: whoever writes rows, in whichever release, cannot pass it. It reads in a snapshot newer than the row, as each statement
// of a volatile function does at READ COMMITTED. At REPEATABLE READ and above there is no such snapshot in the session: the trigger
// refuses, unless it is told that the floor will be read elsewhere.
export const floorMigration: string = `
  create table verdict.floor (
    participant text collate "C" not null,
    group_id text collate "C" not null,
    epoch text collate "C" not null,
    primary key (participant, group_id)
  );
  comment on table verdict.branch is 'Branches of distributed transactions that ended here. Kept by Verdict, which deletes rows below the floor; any other deleted row lets a late message run twice.';
  comment on table verdict.floor is 'Up to which epoch (seven digits of base 32) rows of a group may be deleted. Kept by Verdict; a floor never falls.';
  create function verdict.is_expired(of_participant text, of_id text) returns boolean language sql stable as $body$
    select exists (
      select from verdict.floor
      where participant = of_participant and group_id = split_part(of_id, '_', 1) || '_' || split_part(of_id, '_', 2)
        and epoch >= translate(split_part(of_id, '_', 3), 'abcdefghijklmnopqrstuvwxyz234567', '0123456789abcdefghijklmnopqrstuv'))
  $body$;
  create function verdict.check_floor() returns trigger language plpgsql volatile as $body$
    begin
      if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        if current_setting('verdict.floor', true) is distinct from 'elsewhere' then
          raise exception 'the floor cannot be read in the snapshot of a % transaction', current_setting('transaction_isolation')
            using errcode = 'VF002';
        end if;
      elsif verdict.is_expired(new.participant, new.id) then
        raise exception 'the epoch of % is at or below the floor', new.id using errcode = 'VF001';
      end if;
      return null;
    end
  $body$;
  create trigger check_floor after insert on verdict.branch for each row execute function verdict.check_floor();
  alter table verdict.branch enable always trigger check_floor;
  alter table verdict.branch set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05)`

const digits = 7 // what 32 bits take in base 32

/** Raises the floor of a group; whether it was lower before. */
export async function raiseFloor(
  connection: Connection,
  participant: ParticipantName,
  group: GroupId,
  floor: Epoch,
): Promise<'raised' | 'stood'> {
  const { rowCount } = await connection.query({
    text: `insert into verdict.floor as known (participant, group_id, epoch) values ($1, $2, $3)
      on conflict (participant, group_id) do update set epoch = excluded.epoch where known.epoch < excluded.epoch`,
    values: [participant, group, floor.toString(32).padStart(digits, '0')],
  })
  return rowCount === 1 ? 'raised' : 'stood'
}

export async function readFloors(
  connection: Connection,
  participant: ParticipantName,
): Promise<ReadonlyMap<GroupId, Epoch>> {
  const { rows } = await connection.query<{ group_id: GroupId; epoch: string }>({
    text: 'select group_id, epoch from verdict.floor where participant = $1',
    values: [participant],
  })
  return new Map(rows.map(({ group_id, epoch }) => [group_id, Number.parseInt(epoch, 32) as Epoch]))
}

/** Whether an id is at or below the floor, as it is now. */
export async function isExpired(
  connection: Connection,
  participant: ParticipantName,
  id: TransactionId,
): Promise<boolean> {
  const { rows } = await connection.query<{ expired: boolean }>({
    name: 'verdict_is_expired',
    text: 'select verdict.is_expired($1, $2) as expired',
    values: [participant, id],
  })
  return rows[0]?.expired === true
}

interface PassedRow extends BranchKey {
  readonly isLogged: boolean
}

/**
 * One step through the rows at or below the floor, by the index of the journal's key. The rows of an epoch were written next to each
 * other: what is deleted here leaves whole pages for VACUUM to give back.
 */
export async function collect(
  connection: Connection,
  participant: ParticipantName,
  {
    group,
    limit,
    after,
  }: { readonly group: GroupId; readonly limit: number; readonly after: TransactionId | undefined },
): Promise<Collected> {
  // Read before anything is deleted, and committed by then: nothing goes that the floor does not keep from coming again.
  const floor = (await readFloors(connection, participant)).get(group)
  const passed: PassedRow[] = []
  for (const range of floor === undefined ? [] : idsUpTo(group, floor, after)) {
    const page = pageOf(participant, range, limit - passed.length)
    passed.push(...(await connection.query<PassedRow>(page)).rows)
    if (passed.length >= limit) break
  }
  const logged = passed.filter(({ isLogged }) => isLogged).map(({ id, digest, token }) => ({ id, digest, token }))
  return {
    deleted: passed.length - logged.length,
    logged,
    last: passed.length < limit ? undefined : passed.at(-1)?.id,
  }
}

function pageOf(participant: ParticipantName, { after, before }: IdRange, limit: number): Statement {
  return {
    name: 'verdict_collect',
    text: `with page as materialized (
        select ctid, id, digest, token, state = 'committed' and mode = 'logged' as logged from verdict.branch
        where participant = $1 and id > $2 and id < $3 order by id limit $4
      ), deleted as (
        delete from verdict.branch where ctid = any (array(select page.ctid from page where not logged))
      )
      select id, digest, token, logged as "isLogged" from page order by id`,
    values: [participant, after, before, limit],
  }
}

/** Deletes rows that their groups have no record of any more. */
export function forgetRows(participant: ParticipantName, ids: readonly TransactionId[]): Statement {
  return {
    name: 'verdict_forget',
    text: `delete from verdict.branch
      where participant = $1 and id = any ($2) and state = 'committed' and mode = 'logged' and verdict.is_expired(participant, id)`,
    values: [participant, ids],
  }
}
