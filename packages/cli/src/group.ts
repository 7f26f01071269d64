import {
  type Found,
  type GroupId,
  type GroupName,
  groupOf,
  parseGroupId,
  type StatusReport,
  type TransactionId,
} from '@verdict/protocol'
import type { Asker } from './asker.ts'
import { CommandError } from './exit.ts'

/** A group that is known by its leader's answer, or by its manifest. */
export interface KnownGroup {
  readonly group: GroupId
  readonly replicas: readonly string[]
}

/** Asks for the group of a name: whoever leads it says its incarnation and its replicas. @throws CommandError */
export async function findGroup(
  asker: Asker,
  name: GroupName,
  timeoutMs: number,
): Promise<KnownGroup & { readonly leader: string }> {
  const answered = await asker.ask({
    subject: asker.subjects.hello(name, asker.owner),
    message: { type: 'hello' },
    answer: 'welcome',
    from: ({ group }) => parseGroupId(group).name === name,
    timeoutMs,
  })
  if (answered === undefined) throw noLeader(name, timeoutMs)
  const { by, message } = answered
  return { group: by.group, leader: by.replica, replicas: message.replicas }
}

/** Asks one replica how it is; undefined when it does not answer. */
export async function askStatus(
  asker: Asker,
  group: GroupId,
  replica: string,
  timeoutMs: number,
): Promise<StatusReport | undefined> {
  const answered = await asker.ask({
    subject: asker.subjects.status(group, replica, asker.owner),
    message: { type: 'status' },
    answer: 'statusReport',
    from: (by) => by.group === group && by.replica === replica,
    timeoutMs,
  })
  return answered?.message
}

/** Asks the group of a transaction's id what is recorded of it. @throws CommandError */
export async function lookUp(asker: Asker, id: TransactionId, timeoutMs: number): Promise<Found> {
  const group = groupOf(id)
  const answered = await asker.ask({
    subject: asker.subjects.look(group, asker.owner),
    message: { type: 'look', ids: [id] },
    answer: 'looked',
    from: (by) => by.group === group,
    timeoutMs,
  })
  const found = answered?.message.found.find((each) => each.id === id)
  if (found === undefined) throw noLeader(group, timeoutMs)
  return found
}

/** What the group's leader says of itself: a follower may not have applied yet what was decided last. */
export async function leaderStatus(asker: Asker, name: GroupName, timeoutMs: number): Promise<StatusReport> {
  const { group, leader } = await findGroup(asker, name, timeoutMs)
  const report = await askStatus(asker, group, leader, timeoutMs)
  if (report?.role === 'leader') return report
  throw new CommandError('unavailable', `${leader} stopped leading the group ${group} just now. Ask again.`)
}

function noLeader(group: string, timeoutMs: number): CommandError {
  return new CommandError(
    'unavailable',
    `Nobody who leads the group ${group} answered within ${timeoutMs / 1000} s. See with \`verdict status --manifest FILE\`, ` +
      'which asks every replica, which of them run; if all do, check --servers, --group and --namespace.',
  )
}
