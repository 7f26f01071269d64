import { defaultSettings, type Manifest, ManifestError, makeManifest } from '@verdict/coordinator'
import type { Random } from '@verdict/runtime'
import type { Command } from 'commander'
import { type CommandContext, print } from './context.ts'
import { CommandError } from './exit.ts'
import { initGroup, type MadeGroup } from './group-init.ts'
import { jsonOption, list, minutes } from './option.ts'

interface InitOptions {
  readonly name: string
  readonly replicas: readonly string[]
  readonly folder: string
  readonly retentionMinutes: number
  readonly json?: true
}

/** Adds `verdict group init`. */
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
