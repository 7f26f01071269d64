import { defaultSettings, type Manifest, ManifestError, makeManifest } from '@verdict/coordinator'
import { groupName } from '@verdict/protocol'
import type { Random } from '@verdict/runtime'
import type { Command } from 'commander'
import { type CommandContext, print } from './context.ts'
import { CommandError } from './exit.ts'
import { findGroup } from './group.ts'
import { initGroup, type MadeGroup } from './group-init.ts'
import { type AskingOptions, asking, groupOption, jsonOption, list, minutes } from './option.ts'
import { type UpgradedGroup, upgradeGroup } from './upgrade.ts'

interface InitOptions {
  readonly name: string
  readonly replicas: readonly string[]
  readonly folder: string
  readonly retentionMinutes: number
  readonly json?: true
}

interface UpgradeOptions extends AskingOptions {
  readonly group: string
}

/** Adds `verdict group init` and `verdict group upgrade`. */
export function addGroupCommand(program: Command, context: CommandContext): void {
  const group = program.command('group').description('coordinator groups')
  group
    .command('init')
    .description('make a new group: its manifest, and a store for each replica, to be moved to its machine')
    .requiredOption('--name <name>', "the group's name")
    .requiredOption('--replicas <ids>', 'ids of its 1, 3, 5 or 7 replicas, with commas between them', list)
    .requiredOption('--folder <dir>', 'where to make it: a folder that is empty or does not exist')
    .option('--retention-minutes <n>', 'how long settled transactions are kept, half a minute at least', minutes, 60)
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  verdict group init --name main --replicas n1,n2,n3 --folder ./main')
    .action(async ({ json, ...options }: InitOptions) => {
      print(context, json, await initGroup(newManifest(options, context.random), options.folder), describeMade)
    })
  asking(group.command('upgrade'))
    .description(
      'let a group use what its replicas can do, once every one of them runs the new release; it cannot be taken back',
    )
    .addOption(groupOption())
    .addHelpText('after', '\nExample:\n  verdict group upgrade --group main')
    .action(async (options: UpgradeOptions) => {
      const timeoutMs = options.timeout * 1000
      const upgraded = await context.withAsker(options, async (asker) =>
        upgradeGroup(asker, await findGroup(asker, groupName(options.group), timeoutMs), timeoutMs),
      )
      print(context, options.json, upgraded, describeUpgraded)
    })
}

function newManifest({ name, replicas, retentionMinutes }: InitOptions, random: Random): Manifest {
  try {
    const keptEpochs = Math.ceil((retentionMinutes * 60_000) / defaultSettings.epochMs)
    return makeManifest(name, replicas, random, keptEpochs)
  } catch (cause) {
    if (cause instanceof ManifestError) throw new CommandError('usage', cause.message, { cause })
    throw cause
  }
}

function describeMade({ group, manifest, replicas }: MadeGroup): string {
  const stores = replicas.map(({ replica, dataFolder }) => `store of ${replica}  ${dataFolder}\n`)
  return `group ${group}\nmanifest  ${manifest}\n${stores.join('')}`
}

function describeUpgraded({ group, before, format }: UpgradedGroup): string {
  if (format === before) return `group ${group} has format ${format} already: no replica reads a later one\n`
  return `group ${group} has format ${format} now, it had ${before}\n`
}
