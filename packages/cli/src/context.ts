import type { Random } from '@verdict/runtime'
import type { withAsker } from './connection.ts'
import type { Terminal } from './terminal.ts'

/** What a command needs of its surroundings. */
export interface CommandContext {
  readonly terminal: Terminal
  /** Milliseconds since the Unix epoch, to tell ages. */
  readonly wallMs: () => number
  readonly random: Random
  readonly withAsker: typeof withAsker
}

/** Prints a command's data: as JSON and nothing else, or in words. */
export function print<T>(
  context: CommandContext,
  asJson: true | undefined,
  data: T,
  describe: (data: T) => string,
): void {
  context.terminal.out(asJson ? `${JSON.stringify(data, undefined, 2)}\n` : describe(data))
}
