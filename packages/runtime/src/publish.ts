import type { PublishOptions } from './bus.ts'
import { assertSubject } from './subject.ts'

/** @throws TypeError when a publish can have no meaning, on any bus: a mistake of the caller's. */
export function assertPublish(subject: string, options: PublishOptions): void {
  assertSubject(subject)
  if (options.replyTo !== undefined) assertSubject(options.replyTo)
  else if (options.onNoResponders !== undefined) {
    throw new TypeError(
      `A message for ${subject} has onNoResponders but no replyTo: the server says "no responders" on the reply subject only.`,
    )
  }
}
