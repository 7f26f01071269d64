/** Subjects are tokens with dots between; white space, `*` and `>` are not for tokens of a message's subject. */
const subjectPattern = /^[^\s.*>]+(?:\.[^\s.*>]+)*$/
const filterPattern = /^(?:\*|>|[^\s.*>]+)(?:\.(?:\*|[^\s.*>]+))*(?:\.>)?$/

/** Longest subject, in characters: NATS servers cut connections that send a protocol line above 4 KiB. */
const maxSubjectLength = 1024

/** Whether a message can be sent to `text`. */
export function isSubject(text: string): boolean {
  return text.length <= maxSubjectLength && subjectPattern.test(text)
}

/** Whether `text` can be subscribed to: a subject, with `*` for any one token and a last `>` for one or more. */
export function isFilter(text: string): boolean {
  return text.length <= maxSubjectLength && filterPattern.test(text) && !text.startsWith('>.')
}

/** Whether a message for `subject` reaches a subscription to `filter`. */
export function matches(filter: readonly string[], subject: readonly string[]): boolean {
  for (const [place, wanted] of filter.entries()) {
    if (wanted === '>') return subject.length > place
    if (place >= subject.length || (wanted !== '*' && wanted !== subject[place])) return false
  }
  return filter.length === subject.length
}

/** @throws TypeError when nothing can be sent to `subject`: the caller put something into it that it had not checked. */
export function assertSubject(subject: string): void {
  if (!isSubject(subject)) {
    throw new TypeError(
      `${JSON.stringify(subject)} is no subject: expected tokens without white space, "*" or ">", with dots between.`,
    )
  }
}

/** @throws TypeError when `filter` cannot be subscribed to. */
export function assertFilter(filter: string): void {
  if (!isFilter(filter)) {
    throw new TypeError(
      `${JSON.stringify(filter)} cannot be subscribed to: expected tokens with dots between, "*" for any one, a last ">" for the rest.`,
    )
  }
}
