import { maxLabelLength, maxTextLength, type Order, participantName, transactionId } from '@verdict/protocol'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { type CommandContext, print } from './context.ts'
import { CommandError } from './exit.ts'
import { lookUp } from './group.ts'
import { type AskingOptions, asking } from './option.ts'
import { aborted, give, resolved } from './order.ts'
import { describeNothing, describeTransaction, type ShownTransaction, showTransaction } from './transaction.ts'

interface DecidingOptions extends AskingOptions {
  readonly by: string
  readonly because: string
  readonly yes?: true
}

interface ResolveOptions extends DecidingOptions {
  readonly participant: string
}

/** Adds `verdict txn abort`, `resolve` and `retry`. */
export function addOrderCommands(transactions: Command, context: CommandContext): void {
  deciding(transactions.command('abort <id>'))
    .description('abort what is not decided; an outcome that is recorded stands')
    .addHelpText('after', '\nExample:\n  verdict txn abort ID --by alice --because "orders is down for good" --yes')
    .action((id: string, options: DecidingOptions) => abort(context, id, options))
  deciding(transactions.command('resolve <id>'))
    .description("say that a participant's branch was dealt with by hand: ends the alarm, never changes the outcome")
    .requiredOption('--participant <name>', 'whose branch')
    .addHelpText(
      'after',
      '\nExample:\n  verdict txn resolve ID --participant orders --by alice --because "wrote order 17 again" --yes',
    )
    .action((id: string, options: ResolveOptions) => resolve(context, id, options))
  asking(transactions.command('retry <id>'))
    .description('let the group ask and tell now whom it waits for; decides nothing')
    .action((id: string, options: AskingOptions) => retry(context, id, options))
}

function deciding(command: Command): Command {
  return asking(command)
    .addOption(new Option('--by <name>', 'who decides').argParser(text(maxLabelLength)).makeOptionMandatory())
    .addOption(new Option('--because <text>', 'why').argParser(text(maxTextLength)).makeOptionMandatory())
    .option('--yes', 'do it: without it, only what is recorded now is shown')
}

function text(most: number): (given: string) => string {
  return (given) => {
    const trimmed = given.trim()
    if (trimmed.length > 0 && trimmed.length <= most) return trimmed
    throw new InvalidArgumentError(`Expected 1 to ${most} characters.`)
  }
}

async function abort(context: CommandContext, id: string, options: DecidingOptions): Promise<void> {
  const { by, because } = options
  const what = 'An abort cannot be taken back'
  await order(context, id, options, { kind: 'abort', by, because }, what, (operated) => aborted(operated))
}

async function resolve(context: CommandContext, id: string, options: ResolveOptions): Promise<void> {
  const { by, because } = options
  const participant = participantName(options.participant)
  const what = 'Afterwards nobody looks after this branch any more'
  await order(context, id, options, { kind: 'resolve', participant, by, because }, what, (operated) => {
    resolved(operated, participant)
    if (operated.done === 'released') {
      context.terminal.err(`${participant} rolls its branch back when it asks next, within seconds.\n`)
    }
  })
}

async function retry(context: CommandContext, id: string, options: AskingOptions): Promise<void> {
  const asked = transactionId(id)
  const { done, found } = await context.withAsker(options, (asker) =>
    give(asker, asked, { kind: 'retry' }, options.timeout * 1000),
  )
  show(context, options, showTransaction(found))
  context.terminal.err(
    done === 'nothing' ? 'It is settled: there is nothing to try.\n' : 'Everybody whom it waits for is asked now.\n',
  )
}

/** Gives an order that cannot be taken back, if that was said; else shows what it would meet. */
async function order(
  context: CommandContext,
  id: string,
  options: DecidingOptions,
  wanted: Order,
  warning: string,
  check: (operated: Awaited<ReturnType<typeof give>>) => void,
): Promise<void> {
  const asked = transactionId(id)
  const timeoutMs = options.timeout * 1000
  if (options.yes !== true) {
    const found = await context.withAsker(options, (asker) => lookUp(asker, asked, timeoutMs))
    show(context, options, showTransaction(found))
    throw new CommandError('unsafe', `Nothing was done. ${warning}: look at the above, and say --yes.`)
  }
  const operated = await context.withAsker(options, (asker) => give(asker, asked, wanted, timeoutMs))
  show(context, options, showTransaction(operated.found))
  check(operated)
}

function show(context: CommandContext, { json }: AskingOptions, shown: ShownTransaction): void {
  print(context, json, shown, (data) =>
    data.recorded ? describeTransaction(data, context.wallMs(), context.terminal.paint) : `${describeNothing(data)}\n`,
  )
}
