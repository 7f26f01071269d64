import type { DecisionRecord } from '@verdict/protocol'
import type { Mail, Word } from './mail.ts'
import type { Participant } from './participant-state.ts'
import type { Run } from './run.ts'
import type { State } from './state.ts'
import type { World } from './world.ts'

/** What is wrong with a state, if anything is. */
export function violationOf(world: World, state: State): string | undefined {
  const record = world.record(state)
  const participants = world.participants(state)
  const runs = world.runs(state)
  for (const participant of participants) {
    const what = violationAt(participant, record, runs)
    if (what !== undefined) return what
  }
  for (const run of runs) {
    const what = violationFor(run, world.scenario.mark === 'kept', record, participants)
    if (what !== undefined) return what
  }
  const unbound = boundTwice(runs)
  if (unbound !== undefined) return unbound
  if (record === undefined) return undefined
  const unsettled = record.settled ? settledTooSoon(record, participants) : undefined
  if (unsettled !== undefined || record.outcome === 'aborted') return unsettled
  return violationOfCommit(record, world.hasLost(state) ? undefined : participants, runs)
}

function violationAt(
  { name, resource }: Participant,
  record: DecisionRecord | undefined,
  runs: readonly Run[],
): string | undefined {
  const { row, effects } = resource
  if (effects.length > 1) return `effects of ${name} are there twice`
  if (row.state === 'aborted' && record?.outcome !== 'aborted')
    return `${name} is aborted without a record that says so`
  if (row.state !== 'committed') return effects.length === 0 ? undefined : `the row of effects of ${name} is gone`
  if (record?.outcome !== 'committed' || record.digest !== row.digest)
    return `${name} has committed without a record of its list that says so`
  const listed = runs
    .find(({ sealed }) => sealed?.digest === row.digest)
    ?.sealed?.list.find(({ participant }) => participant === name)
  if (listed === undefined) return `${name} has committed for a list that does not name it`
  if (listed.kind === 'called' && (listed.token !== row.token || listed.calls !== row.calls))
    return `${name} has committed another opening, or other calls, than the client saw`
  return undefined
}

/** A commit rests on good votes: each is a promise that is kept from then on (rules R1, R2). */
function violationOfCommit(
  record: DecisionRecord,
  participants: readonly Participant[] | undefined,
  runs: readonly Run[],
): string | undefined {
  const list = runs.find(({ sealed }) => sealed?.digest === record.digest)?.sealed?.list
  if (list === undefined) return 'a list was committed that no client sealed'
  for (const { participant: name } of list) {
    const branch = record.branches.find(({ participant }) => participant === name)
    if (branch === undefined) return `it was committed without ${name}, which is in its list`
    if (branch.vote === 'read-only') continue
    if (branch.vote !== 'prepared') return `it was committed although ${name} voted ${branch.vote}`
    if (participants === undefined) continue
    const row = participants.find((participant) => participant.name === name)?.resource.row
    if (row?.state !== 'prepared' && row?.state !== 'committed')
      return `it was committed, and ${name} has ${row?.state}`
    if (row.digest !== record.digest || row.token !== branch.token)
      return `it was committed, and ${name} has another branch`
  }
  return undefined
}

/** Settled means done, everywhere, and never forgotten (rules R8, R10). */
function settledTooSoon(record: DecisionRecord, participants: readonly Participant[]): string | undefined {
  for (const { participant: name, vote, token } of record.branches) {
    const resource = participants.find((participant) => participant.name === name)?.resource
    const isDone =
      record.outcome === 'committed'
        ? vote === 'read-only' || resource?.effects.some((effect) => effect === token)
        : vote === 'read-only' || vote === 'refused' || resource?.row.state === 'aborted'
    if (isDone !== true) return `${record.outcome} is settled, and ${name} has ${resource?.row.state}`
  }
  return undefined
}

/** Runs that overlap share no branch (rules R5, R17). */
function boundTwice(runs: readonly Run[]): string | undefined {
  const owners = new Map<string, number>()
  for (const { number, branches } of runs) {
    for (const { opening } of branches.byParticipant.values()) {
      if (opening === undefined) continue
      const other = owners.get(opening.token) ?? number
      if (other !== number) return `runs ${other} and ${number} were given the same branch`
      owners.set(opening.token, number)
    }
  }
  return undefined
}

/** What a caller was told at the end is so. */
function violationFor(
  { number, told, sealed }: Run,
  isKept: boolean,
  record: DecisionRecord | undefined,
  participants: readonly Participant[],
): string | undefined {
  const isOwn = record !== undefined && record.digest === sealed?.digest
  const wrong = (): string =>
    `run ${number} was told "${told}", and ${record === undefined ? 'nothing' : record.outcome} is recorded`
  switch (told) {
    case 'committed':
      return isOwn && record.outcome === 'committed' ? undefined : wrong()
    case 'replayed':
      return record?.outcome === 'committed' ? undefined : wrong()
    case 'aborted':
      if (record === undefined) return wrong()
      return record.outcome === 'committed' && (isKept || isOwn) ? wrong() : undefined
    case 'gave up':
      return !isKept && record?.outcome === 'committed' ? wrong() : undefined
    case 'read-only': {
      const wrote = participants.find(({ resource: { row } }) => 'digest' in row && row.digest === sealed?.digest)
      return wrote === undefined ? undefined : `run ${number} was told "read-only", and ${wrote.name} has written`
    }
    case 'in doubt':
    case undefined:
      return undefined
  }
}

/** What is wrong with a step, if anything is: an outcome stands once it is recorded (rule R1). */
export function violationOfStep(world: World, before: State, after: State): string | undefined {
  const [first, then] = [world.record(before), world.record(after)]
  if (first === undefined || (then?.outcome === first.outcome && then.digest === first.digest)) return undefined
  return `${first.outcome} was recorded, and ${then === undefined ? 'nothing' : `${then.outcome} of another decision`} is now`
}

/** What has come about in a state: a scenario in which nothing does would prove nothing. */
export function reachedIn(world: World, state: State): readonly string[] {
  const record = world.record(state)
  const recorded = record === undefined ? [] : [`${record.outcome}${record.settled ? ', settled' : ''}`]
  return [...recorded, ...world.runs(state).flatMap(({ told }) => (told === undefined ? [] : [`told ${told}`]))]
}

/** What is wrong with a message at the moment when it is sent, if anything is. */
export function violationOfMail(world: World, before: State, after: State, mail: Mail): string | undefined {
  const record = world.record(after)
  switch (mail.to) {
    case 'log':
      return undefined
    case 'group':
      return mail.from === 'participant' ? violationOfWord(world, after, mail) : undefined
    case 'participant': {
      const { message } = mail
      if (message.type === 'outcome') return told(record, message.outcome, message.digest)
      if (message.type !== 'inquiryAnswer') return undefined
      const [answer] = message.answers
      if (answer?.answer === 'committed' || answer?.answer === 'aborted')
        return told(record, answer.answer, answer.digest)
      return undefined
    }
    case 'run': {
      const { message } = mail
      if (message.type === 'result') return undefined
      if (message.type === 'looked') return toldFound(message.found[0], record, world.record(before))
      const { answer, digest } = message
      if (answer.kind === 'committed' || answer.kind === 'aborted') return told(record, answer.kind, digest)
      return answer.kind === 'refused'
        ? `a decision is proposed that breaks a rule: ${answer.reason.message}`
        : undefined
    }
  }
}

function told(record: DecisionRecord | undefined, outcome: string, digest: string): string | undefined {
  if (record?.outcome === outcome && record.digest === digest) return undefined
  return `${outcome} is told, and ${record === undefined ? 'nothing' : `${record.outcome} of another list`} is recorded`
}

function toldFound(
  found: { readonly kind: string; readonly outcome?: string } | undefined,
  record: DecisionRecord | undefined,
  before: DecisionRecord | undefined,
): string | undefined {
  if (found?.kind === 'recorded' && found.outcome !== record?.outcome)
    return `${found.outcome} is told, and is not recorded`
  if (found?.kind === 'none' && before !== undefined)
    return 'it is told that nothing is recorded, and a record is there'
  return undefined
}

/** A participant speaks of what is durable (rule R13). */
function violationOfWord(world: World, after: State, { participant: name, message }: Word): string | undefined {
  const row = world.participants(after).find((participant) => participant.name === name)?.resource.row
  switch (message.type) {
    case 'vote': {
      const { vote, digest } = message
      if (vote.kind !== 'prepared') return undefined
      const isThere = row?.state === 'prepared' && row.digest === digest && row.token === vote.token
      return isThere ? undefined : `${name} votes prepared, and has ${row?.state}`
    }
    case 'ack':
      return row?.state === message.applied
        ? undefined
        : `${name} acknowledges ${message.applied}, and has ${row?.state}`
    case 'hazard':
      return world.hasLost(after)
        ? undefined
        : `${name} reports a hazard (${message.kind}), and nothing of the kind can have happened`
    case 'inquiry':
      return undefined
  }
}

/** Nothing is open or in doubt, nothing unsettled, and no client waits (where clients count). */
export function endsWell(world: World, state: State): boolean {
  const record = world.record(state)
  if (record !== undefined && !record.settled) return false
  const waits = world.scenario.mustEnd === 'with its clients'
  if (waits && !world.runs(state).every(({ stage }) => stage === 'over')) return false
  return world
    .participants(state)
    .every(
      ({ resource, instances }) =>
        resource.row.state !== 'prepared' &&
        instances.every(
          ({ branch }) => branch === undefined || ['over', 'read-only', 'prepared'].includes(branch.stage),
        ),
    )
}
