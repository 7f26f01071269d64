/** What the process says when it ends. Scripts rely on it: docs/reference/cli.md is the contract. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  unavailable: 4,
  unsafe: 5,
  unknown: 6,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** A command could not do what it was asked. The message says what was wrong, what was expected and what to do. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  constructor(failure: Exclude<keyof typeof exitCodes, 'ok'>, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCodes[failure]
  }
}
