import { ProtocolError } from './errors.ts'
import {
  type GroupId,
  type GroupName,
  groupName,
  type InboxToken,
  type InstanceId,
  isToken,
  type OwnerName,
  ownerName,
  type ParticipantName,
  parseGroupId,
  participantName,
} from './name.ts'

/** First token of every subject, so that several installations share one NATS. `[a-z0-9-]`. */
export type Namespace = string & { readonly __brand: 'Namespace' }

const namespacePattern = /^[a-z0-9-]{1,32}$/

/** @throws ProtocolError `bad-name` */
export function namespace(text = 'verdict'): Namespace {
  if (namespacePattern.test(text)) return text as Namespace
  throw new ProtocolError(
    'bad-name',
    `${JSON.stringify(text)} cannot be a namespace: expected 1 to 32 of a-z, 0-9 and "-".`,
  )
}

type Wildcard = '*'

/**
 * Every subject that exists, by who publishes on it. The last token of a request, and the participant, instance or replica in
 * the others, is the sender: NATS permissions give it to one user only, so nobody speaks for another (rule R15).
 */
export interface Subjects {
  /** A client asks a group by name. */
  hello(group: GroupName | Wildcard, owner: OwnerName | Wildcard): string
  /** A client's first call: any instance (queue group). */
  firstCall(participant: ParticipantName, owner: OwnerName | Wildcard): string
  /** A client's later calls and releases: the instance that holds the branch. */
  call(participant: ParticipantName, instance: InstanceId, owner: OwnerName | Wildcard): string
  /** A client's commit and abort. */
  group(group: GroupId, owner: OwnerName | Wildcard): string
  look(group: GroupId, owner: OwnerName | Wildcard): string
  /** An operator decides. Who may publish here may abort what is not decided, end alarms (rule R16) and raise the group's format. */
  operate(group: GroupId, owner: OwnerName | Wildcard): string
  /** A tool asks one replica. */
  status(group: GroupId, replica: string, owner: OwnerName | Wildcard): string
  /** A group's control message to any instance (queue group). */
  control(group: GroupId | Wildcard, participant: ParticipantName): string
  /** A group's control message to one instance. */
  controlInstance(group: GroupId | Wildcard, participant: ParticipantName, instance: InstanceId): string
  /** A participant's votes, acknowledgements, hazards, inquiries and sweeps. */
  vote(group: GroupId, participant: ParticipantName | Wildcard): string
  /** A group's news to all. */
  news(group: GroupId | Wildcard): string
  /** Raft's own messages from one replica (`*` for any) to another. */
  raft(group: GroupId, from: string, to: string): string
  /** What an asker names as its reply subject. Whoever answers adds its own name to it. */
  inbox(owner: OwnerName, inbox: InboxToken): string
  /** All answers to one inbox. */
  answers(owner: OwnerName, inbox: InboxToken): string
}

export function subjects(of: Namespace): Subjects {
  const v = `${of}.v1`
  return {
    hello: (group, owner) => `${v}.hello.${group}.${owner}`,
    firstCall: (participant, owner) => `${v}.call.${participant}.${owner}`,
    call: (participant, instance, owner) => `${v}.call.${participant}.${instance}.${owner}`,
    group: (group, owner) => `${v}.group.${group}.${owner}`,
    look: (group, owner) => `${v}.look.${group}.${owner}`,
    status: (group, replica, owner) => `${v}.status.${group}.${replica}.${owner}`,
    operate: (group, owner) => `${v}.operate.${group}.${owner}`,
    control: (group, participant) => `${v}.ctl.${group}.${participant}`,
    controlInstance: (group, participant, instance) => `${v}.ctl.${group}.${participant}.${instance}`,
    vote: (group, participant) => `${v}.vote.${group}.${participant}`,
    news: (group) => `${v}.news.${group}`,
    raft: (group, from, to) => `${v}.raft.${group}.${from}.${to}`,
    inbox: (owner, inbox) => `${v}.ans.${owner}.${inbox}`,
    answers: (owner, inbox) => `${v}.ans.${owner}.${inbox}.*.>`,
  }
}

/** Who answered: a participant, or a replica of a group. */
export type Answerer =
  | { readonly kind: 'participant'; readonly participant: ParticipantName }
  | { readonly kind: 'replica'; readonly group: GroupId; readonly replica: string }

/** The subject on which `answerer` answers a request whose reply subject is `inbox`. */
export function answerSubject(inbox: string, answerer: Answerer): string {
  return answerer.kind === 'participant'
    ? `${inbox}.p.${answerer.participant}`
    : `${inbox}.g.${answerer.group}.${answerer.replica}`
}

/** Reads who answered from the subject of an answer; undefined when it is no such subject. */
export function readAnswerer(subject: string): Answerer | undefined {
  const [, , kind, , , who, first, second, ...rest] = subject.split('.')
  if (kind !== 'ans' || first === undefined || rest.length > 0) return undefined
  return attempt(() => {
    if (who === 'p' && second === undefined) return { kind: 'participant', participant: participantName(first) }
    if (who !== 'g' || second === undefined) return undefined
    parseGroupId(first)
    return { kind: 'replica', group: first as GroupId, replica: second }
  })
}

/** Whether a reply subject lies under the own inboxes of `owner`: nobody is made to speak into another's inbox (rule R15). */
export function isInboxOf(subject: string, of: Namespace, owner: OwnerName): boolean {
  const [name, version, kind, o, x, ...rest] = subject.split('.')
  return (
    name === of &&
    version === 'v1' &&
    kind === 'ans' &&
    o === owner &&
    x !== undefined &&
    isToken(x) &&
    rest.length === 0
  )
}

/** The owner who sent a request, from the last token of its subject; undefined when it is no owner's name. */
export function readOwner(subject: string): OwnerName | undefined {
  return attempt(() => ownerName(subject.slice(subject.lastIndexOf('.') + 1)))
}

/** The participant who sent a vote, acknowledgement, hazard, inquiry or sweep. */
export function readVoter(subject: string): ParticipantName | undefined {
  const [, , kind, , participant, ...rest] = subject.split('.')
  if (kind !== 'vote' || participant === undefined || rest.length > 0) return undefined
  return attempt(() => participantName(participant))
}

/** The group whose replica sent a control message or news. */
export function readControllingGroup(subject: string): GroupId | undefined {
  const [, , kind, group] = subject.split('.')
  if ((kind !== 'ctl' && kind !== 'news') || group === undefined) return undefined
  return attempt(() => {
    parseGroupId(group)
    return group as GroupId
  })
}

/** The group name that a hello asks for. */
export function readGreetedGroup(subject: string): GroupName | undefined {
  const [, , kind, group] = subject.split('.')
  if (kind !== 'hello' || group === undefined) return undefined
  return attempt(() => groupName(group))
}

function attempt<T>(read: () => T | undefined): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
