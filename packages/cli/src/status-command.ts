import { readFileSync } from 'node:fs'
import { groupIdOf, parseManifest } from '@verdict/coordinator'
import { groupName } from '@verdict/protocol'
import type { Command } from 'commander'
import { type CommandContext, print } from './context.ts'
import { CommandError } from './exit.ts'
import { findGroup, type KnownGroup } from './group.ts'
import { type AskingOptions, asking, groupOption } from './option.ts'
import { describeStatus, groupStatus } from './status.ts'

interface StatusOptions extends AskingOptions {
  readonly group: string
  readonly manifest?: string
}

/** Adds `verdict status`. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  asking(program.command('status'))
    .description('show every replica of a group in one table')
    .addOption(groupOption())
    .option('--manifest <file>', "the group's manifest, instead of --group: works when no replica leads, too")
    .addHelpText('after', '\nExamples:\n  verdict status\n  verdict status --manifest main/manifest.json --json')
    .action(async (options: StatusOptions) => {
      const timeoutMs = options.timeout * 1000
      const name = groupName(options.group)
      const known = options.manifest === undefined ? undefined : knownGroup(options.manifest)
      const status = await context.withAsker(options, async (asker) =>
        groupStatus(asker, known ?? (await findGroup(asker, name, timeoutMs)), timeoutMs, context.wallMs),
      )
      print(context, options.json, status, (found) => describeStatus(found, context.terminal.paint))
      if (status.leader === null) {
        throw new CommandError(
          'unavailable',
          'No replica leads: nothing can be decided until a majority of the replicas runs and reaches each other over NATS.',
        )
      }
    })
}

function knownGroup(file: string): KnownGroup {
  const manifest = parseManifest(readText(file))
  return { group: groupIdOf(manifest), replicas: manifest.replicas }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CommandError('usage', `The manifest ${file} cannot be read: ${String(cause)}.`, { cause })
  }
}
