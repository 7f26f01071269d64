import { groupName, transactionId } from '@verdict/protocol'
import type { Command } from 'commander'
import { type CommandContext, print } from './context.ts'
import { CommandError } from './exit.ts'
import { leaderStatus, lookUp } from './group.ts'
import { describeInDoubt, inDoubtList } from './in-doubt.ts'
import { type AskingOptions, asking, groupOption } from './option.ts'
import { addOrderCommands } from './order-command.ts'
import { describeNothing, describeTransaction, showTransaction } from './transaction.ts'

interface ListOptions extends AskingOptions {
  readonly group: string
}

/** Adds `verdict txn show`, `list`, and what changes something. */
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
  addOrderCommands(transactions, context)
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
