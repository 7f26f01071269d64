import { ProtocolError } from '@verdict/protocol'
import { Command, CommanderError } from 'commander'
import type { CommandContext } from './context.ts'
import { CommandError, type ExitCode, exitCodes } from './exit.ts'
import { addGroupCommand } from './group-command.ts'
import { addHazardsCommand } from './hazards-command.ts'
import { addStatusCommand } from './status-command.ts'
import { addTransactionCommand } from './transaction-command.ts'

/** Runs one command line and returns the exit code of the process. What went wrong is said on `err`. */
export async function runProgram(args: readonly string[], version: string, context: CommandContext): Promise<ExitCode> {
  const { out, err } = context.terminal
  const program = new Command('verdict')
    .description('Shows the state of a Verdict group and of its transactions, and decides by hand what has to be.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err })
  addGroupCommand(program, context)
  addStatusCommand(program, context)
  addHazardsCommand(program, context)
  addTransactionCommand(program, context)
  try {
    await program.parseAsync(args, { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    // What commander has to say it has said already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    err(`verdict: ${error instanceof Error ? error.message : String(error)}\n`)
    return exitCodeOf(error)
  }
}

function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode
  return error instanceof ProtocolError ? exitCodes.usage : exitCodes.failure
}
