import type { StatusReport } from '@verdict/protocol'
import type { Asker } from './asker.ts'
import { CommandError } from './exit.ts'
import { askStatus, type KnownGroup } from './group.ts'

/** What `verdict group upgrade --json` prints. */
export interface UpgradedGroup {
  readonly group: string
  /** The group's format before, and now. */
  readonly before: number
  readonly format: number
}

/**
 * Raises the group's format to the newest that every one of its replicas reads. The group would go on without one that does not read
 * it, and that one could not come back with its old program: so none may be silent.
 * @throws CommandError
 */
export async function upgradeGroup(
  asker: Asker,
  known: KnownGroup & { readonly leader: string },
  timeoutMs: number,
): Promise<UpgradedGroup> {
  const { group, leader } = known
  const reports = await askAll(asker, known, timeoutMs)
  const before = reports.find(({ replica }) => replica === leader)?.format ?? 1
  const to = Math.min(...reports.map(({ newestFormat = 1 }) => newestFormat))
  const ahead = reports.filter(({ newestFormat = 1 }) => newestFormat > to)
  if (to <= before && ahead.length > 0) {
    const behind = reports.filter((report) => !ahead.includes(report))
    throw new CommandError(
      'unsafe',
      `${describe(behind)} would stop if the format was raised, so that nothing was changed. Start the release of ` +
        `${describe(ahead)} there, too.`,
    )
  }
  if (to <= before) return { group, before, format: before }
  const answered = await asker.ask({
    subject: asker.subjects.operate(group, asker.owner),
    message: { type: 'upgrade', to },
    answer: 'upgraded',
    from: (by) => by.group === group,
    timeoutMs,
  })
  if (answered !== undefined) return { group, before, format: answered.message.format }
  throw new CommandError(
    'unknown',
    `No leader of ${group} answered within ${timeoutMs / 1000} s. It may have raised the format: see with \`verdict status\`, or ` +
      'ask again. If nobody answers again, see whether NATS lets this owner publish on the subject for operators.',
  )
}

async function askAll(asker: Asker, { group, replicas }: KnownGroup, timeoutMs: number): Promise<StatusReport[]> {
  const reports = await Promise.all(replicas.map((replica) => askStatus(asker, group, replica, timeoutMs)))
  const silent = replicas.filter((_, place) => reports[place] === undefined)
  if (silent.length === 0) return reports.filter((report) => report !== undefined)
  throw new CommandError(
    'unsafe',
    `${silent.join(', ')} did not answer within ${timeoutMs / 1000} s, so that nobody knows which formats are read there, and nothing was ` +
      'changed. Start every replica of the group, each with the new release.',
  )
}

function describe(reports: readonly StatusReport[]): string {
  return reports
    .map(({ replica, version, newestFormat = 1 }) => `${replica} (release ${version}, format ${newestFormat})`)
    .join(', ')
}
