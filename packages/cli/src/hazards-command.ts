import { groupName } from '@verdict/protocol'
import type { Command } from 'commander'
import { type CommandContext, print } from './context.ts'
import { leaderStatus } from './group.ts'
import { describeHazards, hazardList } from './hazards.ts'
import { type AskingOptions, asking, groupOption } from './option.ts'

interface HazardsOptions extends AskingOptions {
  readonly group: string
}

/** Adds `verdict hazards`. */
export function addHazardsCommand(program: Command, context: CommandContext): void {
  asking(program.command('hazards'))
    .description('list outcomes that could not be honoured, and what is stuck: what somebody has to look at')
    .addOption(groupOption())
    .action(async (options: HazardsOptions) => {
      const name = groupName(options.group)
      const report = await context.withAsker(options, (asker) => leaderStatus(asker, name, options.timeout * 1000))
      print(context, options.json, hazardList(report, context.wallMs()), (found) =>
        describeHazards(found, context.terminal.paint),
      )
    })
}
