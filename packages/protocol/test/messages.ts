import { digestOf, type InstanceId, type Message, operationsHash, sealList, type Vote } from '@verdict/protocol'
import fc from 'fast-check'
import {
  calledBranches,
  calledLists,
  epochs,
  groupIds,
  ids,
  onceIds,
  oneShots,
  operations,
  owners,
  participants,
  payloads,
  reasons,
  sealed,
  tokens,
  traces,
} from './arbitrary.ts'

const instances = tokens<never>() as fc.Arbitrary<InstanceId>
const digests = sealed.map(({ digest }) => digest)
const outcomes = fc.constantFrom('committed' as const, 'aborted' as const)
const milliseconds = fc.double({ min: 0, max: 1e6, noNaN: true })
const durations = fc.record({ runMs: milliseconds, commitMs: milliseconds })
const costs = fc.record({ messages: fc.nat(1_000), votesMs: milliseconds, logMs: milliseconds })
const lone = fc.record({ id: onceIds, branches: calledBranches.map((all) => all.slice(0, 1)) })
const leftMs = fc.nat(20 * 60_000)
const counts = fc.maxSafeNat()
const results = fc.array(payloads, { maxLength: 3 })
const hazardKinds = fc.constantFrom('effects-lost' as const, 'committed-met-aborted' as const)
const operator = { by: fc.string({ minLength: 1, maxLength: 64 }), as: owners }
const because = fc.string({ minLength: 1, maxLength: 100 })
const hazards = fc.array(
  some(
    {
      participant: participants,
      kind: fc.oneof(hazardKinds, of('never-acknowledged')),
      note: fc.string(),
      resolved: fc.record({ ...operator, because, atMs: counts }),
    },
    'resolved',
  ),
  { maxLength: 2 },
)
const actors = fc.oneof(
  fc.record({ kind: of('owner') }),
  fc.record({ kind: of('holder'), participant: participants }),
  fc.record({ kind: of('operator'), ...operator }),
)
const troubleFields = {
  id: ids,
  kind: fc.constantFrom('quarantined', 'failing', 'overdue', 'poisoned'),
  note: fc.string(),
  ageMs: counts,
}

/** An object with some of its optional fields. */
function some<T extends object, K extends keyof T>(
  fields: { [F in keyof T]: fc.Arbitrary<T[F]> },
  ...optional: K[]
): fc.Arbitrary<T> {
  const requiredKeys = (Object.keys(fields) as (keyof T)[]).filter((key) => !optional.includes(key as K))
  return fc.record(fields, { requiredKeys }) as fc.Arbitrary<T>
}

function of<T extends string>(type: T): fc.Arbitrary<T> {
  return fc.constant(type)
}

const votes: fc.Arbitrary<Vote> = fc.oneof(
  some(
    {
      kind: of('prepared'),
      instance: instances,
      token: tokens(),
      durability: fc.constantFrom('full', 'weak'),
      results,
    },
    'results',
  ),
  some(
    { kind: of('read-only'), instance: instances, token: tokens(), results, declared: fc.boolean() },
    'results',
    'declared',
  ),
  fc.record({ kind: of('refused'), instance: instances, reason: reasons }),
  fc.record({ kind: of('busy'), instance: instances, found: fc.constantFrom('nothing' as const, 'underway' as const) }),
) as fc.Arbitrary<Vote>

const decidedBranches = fc.array(
  some(
    { participant: participants, vote: fc.constantFrom('prepared', 'unknown'), instance: instances, token: tokens() },
    'instance',
    'token',
  ),
  { minLength: 1, maxLength: 3 },
)

const answers = fc.oneof(
  some(
    {
      kind: of('committed'),
      results: fc.oneof(fc.array(results, { maxLength: 2 }), of('pending')),
      applied: fc.boolean(),
      hazards,
      took: costs,
    },
    'results',
    'took',
  ),
  fc.record({ kind: of('aborted'), reason: reasons }),
  some({ kind: of('read-only'), results: fc.array(results, { maxLength: 2 }), took: costs }, 'results', 'took'),
  fc.record({ kind: of('expired') }),
  fc.record({ kind: of('conflict'), recorded: digests, outcome: outcomes }),
  fc.record({ kind: of('pending') }),
  fc.record({ kind: of('refused'), reason: reasons }),
)

const found = fc.oneof(
  some(
    {
      kind: of('recorded'),
      id: ids,
      outcome: outcomes,
      digest: digests,
      branches: decidedBranches,
      reason: reasons,
      actor: actors,
      settled: fc.boolean(),
      hazards,
      decidedAtMs: counts,
      trace: traces,
    },
    'reason',
    'trace',
  ),
  fc.record({ kind: fc.constantFrom('none', 'expired'), id: ids }),
)

const inDoubt = fc.array(
  fc.record({
    id: ids,
    outcome: outcomes,
    decidedAtMs: counts,
    waitingFor: fc.array(participants, { maxLength: 3 }),
    hazards,
  }),
  { maxLength: 2 },
)

const callFields = {
  type: of('call'),
  id: ids,
  nonce: tokens(),
  operation: fc.string({ minLength: 1, maxLength: 20 }),
  args: payloads,
  leftMs,
  trace: traces,
}

/** Every message by its type; the compiler sees that none is missing. */
export const messages: { readonly [T in Message['type']]: fc.Arbitrary<object> } = {
  hello: fc.record({ type: of('hello') }),
  welcome: fc.record({
    type: of('welcome'),
    group: groupIds,
    epoch: epochs,
    horizon: epochs,
    replicas: fc.constant(['n1', 'n2']),
    retentionMs: fc.integer({ min: 1, max: 3_600_000 }),
  }),
  call: fc.oneof(
    some({ ...callFields, n: fc.constant(1) }, 'trace'),
    some({ ...callFields, n: fc.integer({ min: 2, max: 1024 }), token: tokens() }, 'trace'),
  ),
  result: some(
    {
      type: of('result'),
      id: ids,
      n: fc.integer({ min: 1, max: 1024 }),
      instance: instances,
      token: tokens(),
      result: fc.oneof(
        fc.record({ kind: of('value'), value: payloads }),
        fc.record({ kind: of('refused'), reason: reasons }),
        fc.record({ kind: of('busy') }),
      ),
    },
    'token',
  ),
  alone: fc.oneof(
    fc.tuple(lone, leftMs, traces, fc.boolean()).map(([{ id, branches }, left, trace, again]) => {
      const list = sealList(branches)
      return { type: 'alone', id, list, digest: digestOf(id, list), leftMs: left, again, trace }
    }),
    fc.tuple(onceIds, operations, participants).map(([id, own, participant]) => {
      const list = sealList([{ kind: 'oneShot', participant, operations: operationsHash(own) }])
      return { type: 'alone', id, list, digest: digestOf(id, list), operations: own, leftMs: 1, again: false }
    }),
  ),
  loneDecided: fc.record({
    type: of('loneDecided'),
    id: ids,
    digest: digests,
    instance: instances,
    answer: fc.oneof(
      some({ kind: fc.constantFrom('committed', 'read-only'), results, took: durations }, 'results', 'took'),
      fc.record({ kind: of('aborted'), reason: reasons }),
      fc.record({ kind: fc.constantFrom('expired', 'conflict', 'busy') }),
    ),
  }),
  release: fc.record({ type: of('release'), id: ids, token: tokens() }),
  commit: fc.oneof(
    fc
      .tuple(sealed, leftMs, traces)
      .map(([all, left, trace]) => ({ type: 'commit', ...all, leftMs: left, wait: 'decided', trace })),
    fc.tuple(ids, oneShots).map(([id, { list, operations: own }]) => ({
      type: 'commit',
      id,
      list,
      digest: digestOf(id, list),
      leftMs: 1,
      operations: own,
      wait: 'applied',
    })),
  ),
  abort: fc.tuple(sealed, reasons).map(([all, reason]) => ({ type: 'abort', ...all, reason })),
  decided: fc.record({ type: of('decided'), id: ids, digest: digests, epoch: epochs, answer: answers }),
  look: some({ type: of('look'), ids: fc.array(ids, { minLength: 1, maxLength: 3 }), trace: traces }, 'trace'),
  looked: fc.record({ type: of('looked'), epoch: epochs, found: fc.array(found, { minLength: 1, maxLength: 3 }) }),
  status: fc.record({ type: of('status') }),
  statusReport: some(
    {
      type: of('statusReport'),
      group: groupIds,
      replica: of('n1'),
      role: fc.constantFrom('leader', 'pre-candidate'),
      leader: of('n2'),
      term: counts,
      lastIndex: counts,
      commitIndex: counts,
      appliedIndex: counts,
      epoch: epochs,
      horizon: epochs,
      version: of('0.1.0'),
      format: fc.constantFrom(1, 255),
      newestFormat: fc.constantFrom(1, 255),
      unsettled: counts,
      underway: counts,
      hazardous: counts,
      inDoubt,
      withHazards: inDoubt,
      troubles: fc.array(some({ ...troubleFields, participant: participants }, 'participant'), { maxLength: 2 }),
    },
    'leader',
    'format',
    'newestFormat',
  ),
  operate: fc.record({
    type: of('operate'),
    id: ids,
    order: fc.oneof(
      fc.record({ kind: of('abort'), by: operator.by, because }),
      fc.record({ kind: of('resolve'), participant: participants, by: operator.by, because }),
      fc.record({ kind: of('retry') }),
    ),
  }),
  operated: fc.record({
    type: of('operated'),
    done: fc.constantFrom('recorded', 'released', 'tried', 'nothing'),
    found,
  }),
  upgrade: fc.record({ type: of('upgrade'), to: fc.integer({ min: 1, max: 255 }) }),
  upgraded: fc.record({ type: of('upgraded'), format: fc.integer({ min: 1, max: 255 }) }),
  failure: fc.record({ type: of('failure'), code: of('malformed-message'), message: fc.string() }),
  prepare: fc.oneof(
    fc
      .tuple(sealed, leftMs, counts, epochs)
      .map(([all, left, term, horizon]) => ({ type: 'prepare', ...all, leftMs: left, term, horizon })),
    fc.tuple(ids, oneShots).map(
      ([
        id,
        {
          list,
          operations: [own],
        },
      ]) => ({
        type: 'prepare',
        id,
        list,
        digest: digestOf(id, list),
        operations: own,
        leftMs: 1,
        term: 1,
        horizon: 0,
      }),
    ),
  ),
  vote: fc.record({ type: of('vote'), id: ids, digest: digests, vote: votes }),
  outcome: some(
    {
      type: of('outcome'),
      id: ids,
      digest: digests,
      token: tokens(),
      outcome: outcomes,
      horizon: epochs,
      trace: traces,
    },
    'token',
    'trace',
  ),
  ack: some({ type: of('ack'), id: ids, digest: digests, instance: instances, applied: outcomes, results }, 'results'),
  hazard: fc.record({ type: of('hazard'), id: ids, digest: digests, kind: hazardKinds, note: fc.string() }),
  trouble: fc.record({
    type: of('trouble'),
    branches: fc.array(fc.record(troubleFields), { minLength: 1, maxLength: 2 }),
  }),
  inquiry: fc.record({
    type: of('inquiry'),
    instance: instances,
    branches: fc.array(
      some({ id: ids, digest: digests, token: tokens(), list: calledLists, trace: traces }, 'list', 'trace'),
      { minLength: 1, maxLength: 3 },
    ),
  }),
  inquiryAnswer: fc.record({
    type: of('inquiryAnswer'),
    answers: fc.array(
      some(
        {
          id: ids,
          digest: digests,
          token: tokens(),
          answer: fc.constantFrom('committed', 'discard', 'released', 'pending'),
          trace: traces,
        },
        'token',
        'trace',
      ),
      { minLength: 1, maxLength: 3 },
    ),
    horizon: epochs,
  }),
  sweep: fc.record({
    type: of('sweep'),
    instance: instances,
    rows: fc.array(fc.record({ id: ids, digest: digests, token: tokens() }), { minLength: 1, maxLength: 3 }),
  }),
  sweepAnswer: fc.record({
    type: of('sweepAnswer'),
    answers: fc.array(fc.record({ id: ids, answer: fc.constantFrom('forgotten' as const, 'kept' as const) }), {
      minLength: 1,
      maxLength: 3,
    }),
    horizon: epochs,
  }),
  announce: fc.record({ type: of('announce'), term: counts, epoch: epochs, horizon: epochs }),
}
