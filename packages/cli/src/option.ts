import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ConnectionOptions } from './connection.ts'

/** Options of a command that asks a group. */
export interface AskingOptions extends ConnectionOptions {
  /** Longest wait for one answer. */
  readonly timeout: number
  readonly json?: true
}

/** Longest wait for an answer unless said otherwise, in seconds: an election that is under way ends within it. */
const defaultTimeout = 3

/** Gives a command the options that say how to reach a group. */
export function asking(command: Command): Command {
  return command
    .addOption(
      new Option('--servers <urls>', 'addresses of NATS servers, with commas between them')
        .env('VERDICT_NATS_URL')
        .default('nats://127.0.0.1:4222'),
    )
    .addOption(
      new Option('--namespace <name>', 'first token of every subject').env('VERDICT_NAMESPACE').default('verdict'),
    )
    .addOption(new Option('--owner <name>', 'name to ask under').env('VERDICT_OWNER').default('cli'))
    .addOption(
      new Option('--timeout <seconds>', 'longest wait for one answer').argParser(seconds).default(defaultTimeout),
    )
    .addOption(jsonOption())
}

/** The option that names a group. */
export function groupOption(): Option {
  return new Option('--group <name>', "the group's name").env('VERDICT_GROUP').default('main')
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON and nothing else')
}

/** Reads a list with commas between its items. */
export function list(text: string): string[] {
  return text.split(',').map((item) => item.trim())
}

/** Reads minutes, which may be parts of one. */
export function minutes(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError('Expected minutes, more than 0.')
}

function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value > 0 && value <= 3600) return value
  throw new InvalidArgumentError('Expected seconds, more than 0 and at most 3600.')
}
