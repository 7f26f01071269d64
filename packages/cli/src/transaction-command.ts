import { type GroupName, groupName, type StatusReport, transactionId } from '@verdict/protocol'
import type { Command } from 'commander'
import type { Asker } from './asker.ts'
import { type CommandContext, print } from './context.ts'
import { CommandError } from './exit.ts'
import { askStatus, findGroup, lookUp } from './group.ts'
import { describeInDoubt, inDoubtList } from './in-doubt.ts'
import { type AskingOptions, asking, groupOption } from './option.ts'
import { describeNothing, describeTransaction, showTransaction } from './transaction.ts'

interface ListOptions extends AskingOptions {
  readonly group: string
}

/** Adds `verdict txn show` and `verdict txn list`. */
export function addTransactionCommand(program: Command, context: CommandContext): void {
  const transactions = program.command('txn').description('transactions')
  asking(transactions.command('show <id>'))
    .description('show what is recorded of a transaction; its id names its group')
    .action((id: string, options: AskingOptions) => show(context, id, options))
  asking(transactions.command('list'))
    .description('list transactions, oldest first')
    .addOption(groupOption())
    .requiredOption('--in-doubt', 'those that are decided and not yet acknowledged by every branch')
    .addHelpText('after', '\nExample:\n  verdict txn list --in-doubt')
    .action((options: ListOptions) => listInDoubt(context, options))
}

async function show(context: CommandContext, id: string, options: AskingOptions): Promise<void> {
  const asked = transactionId(id)
  const found = await context.withAsker(options, (asker) => lookUp(asker, asked, options.timeout * 1000))
  const shown = showTransaction(found)
  print(context, options.json, shown, (data) =>
    data.recorded ? describeTransaction(data, context.wallMs(), context.terminal.paint) : '',
  )
  if (!shown.recorded) throw new CommandError('notFound', describeNothing(shown))
}

async function listInDoubt(context: CommandContext, options: ListOptions): Promise<void> {
  const name = groupName(options.group)
  const report = await context.withAsker(options, (asker) => leaderStatus(asker, name, options.timeout * 1000))
  const found = inDoubtList(report, context.wallMs())
  print(context, options.json, found, (data) => describeInDoubt(data, context.terminal.paint))
}

/** What the group's leader says of itself: a follower may not have applied yet what was decided last. */
async function leaderStatus(asker: Asker, name: GroupName, timeoutMs: number): Promise<StatusReport> {
  const { group, leader } = await findGroup(asker, name, timeoutMs)
  const report = await askStatus(asker, group, leader, timeoutMs)
  if (report?.role === 'leader') return report
  throw new CommandError('unavailable', `${leader} stopped leading the group ${group} just now. Ask again.`)
}
