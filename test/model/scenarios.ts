import { p, q } from './names.ts'
import type { Nature } from './participant-state.ts'
import type { Plan } from './run.ts'
import type { Faults, Scenario } from './scenario.ts'

const none: Faults = { elections: 0, instanceCrashes: 0, lostBranches: 0 }
const oneElection: Faults = { ...none, elections: 1 }
const steady: Nature = { prepares: ['prepared'], isSlow: false, openings: 1, dies: 'never', callsFail: false }
const atP = { ...steady, name: p, instances: 1 }
const atQ = { ...steady, name: q, instances: 1 }
const twiceAtP = { ...atP, openings: 2 }
const interactive: Plan = {
  participants: [p, q],
  calls: 1,
  isOneShot: false,
  mayAbort: false,
  timesOut: false,
  operation: 'work',
  isCareless: false,
}
const patientAtP: Plan = { ...interactive, participants: [p] }
const impatient: Plan = { ...interactive, timesOut: true }
const oneShot: Plan = { ...interactive, calls: 0, isOneShot: true }
const plain: Omit<Scenario, 'name' | 'shows'> = {
  reaches: ['aborted, settled', 'committed, settled', 'told committed', 'told aborted'],
  mark: 'once',
  participants: [atP, atQ],
  runs: [interactive],
  faults: none,
  isCalled: true,
  deposedActs: true,
  mayStayUndecided: false,
  resends: false,
  mustEnd: 'never',
}

export const interactiveOnes: readonly Scenario[] = [
  {
    ...plain,
    name: 'calls',
    shows: 'two calls each, one by one; a call may fail, and the client give up, while another one runs',
    reaches: ['committed, settled', 'told committed', 'told gave up'],
    participants: [{ ...atP, callsFail: true, isSlow: true }, atQ],
    runs: [{ ...impatient, calls: 2 }],
    isCalled: false,
    mustEnd: 'with its clients',
  },
  {
    ...plain,
    name: 'opened twice',
    shows: 'two instances get the same first call, and the client knows one of both branches',
    reaches: ['committed, settled', 'told committed', 'told gave up'],
    participants: [{ ...atP, instances: 2, openings: 2 }, atQ],
    runs: [impatient],
    isCalled: false,
    mustEnd: 'with its clients',
  },
  {
    ...plain,
    name: 'a call too many',
    shows: 'a call that the client did not wait for runs before or after the branch is asked to prepare',
    reaches: ['aborted, settled', 'committed, settled'],
    participants: [{ ...atP, isSlow: true }, atQ],
    runs: [{ ...interactive, isCareless: true }],
  },
  {
    ...plain,
    name: 'commit',
    shows: 'the leader is deposed at any moment, and goes on acting; whatever dies, it ends without the client',
    faults: oneElection,
    mustEnd: 'without its clients',
  },
  {
    ...plain,
    name: 'abort',
    shows: 'the client asks for commit and abort of the same list, at whoever leads',
    runs: [{ ...interactive, mayAbort: true }],
    faults: oneElection,
  },
  {
    ...plain,
    name: 'refusal',
    shows: 'a branch takes its time to prepare, and may refuse',
    participants: [{ ...atP, prepares: ['prepared', 'refused'], isSlow: true }, atQ],
    faults: oneElection,
  },
  {
    ...plain,
    name: 'uncertain',
    shows: 'the answer of the database to prepare is lost',
    participants: [{ ...atP, prepares: ['uncertain', 'uncertain, not prepared'] }, atQ],
    runs: [impatient],
    mustEnd: 'with its clients',
  },
  {
    ...plain,
    name: 'undecided',
    shows: 'a leader does not learn what became of its proposal, and begins again while that may still be applied',
    runs: [{ ...interactive, mayAbort: true }],
    mayStayUndecided: true,
  },
  {
    ...plain,
    name: 'lost list',
    shows: 'another leader and another instance know nothing, and only the database holds the branch',
    reaches: ['aborted, settled', 'committed, settled'],
    mark: 'kept',
    participants: [{ ...atP, dies: 'once prepared' }],
    runs: [patientAtP],
    faults: { ...oneElection, instanceCrashes: 1 },
    deposedActs: false,
    mustEnd: 'without its clients',
  },
  {
    ...plain,
    name: 'instance gone',
    shows: 'an instance dies at any moment, another one starts; prepares and outcomes find nobody, and go to any',
    participants: [{ ...atP, dies: 'at any time' }, atQ],
    faults: { ...none, instanceCrashes: 1 },
  },
  {
    ...plain,
    name: 'read-only branch',
    shows: 'one branch wrote nothing, and is told nothing',
    participants: [atP, { ...atQ, prepares: ['read-only'] }],
    faults: oneElection,
  },
  {
    ...plain,
    name: 'only read',
    shows: 'nobody wrote anything, and nothing is logged',
    reaches: ['told read-only'],
    participants: [
      { ...atP, prepares: ['read-only'] },
      { ...atQ, prepares: ['read-only'] },
    ],
    faults: oneElection,
  },
  {
    ...plain,
    name: 'lost branch',
    shows: 'a database loses a prepared branch: it is never settled in silence',
    reaches: ['committed', 'told in doubt'],
    faults: { ...none, lostBranches: 1 },
  },
]

export const oneShots: readonly Scenario[] = [
  {
    ...plain,
    name: 'one-shot',
    shows: 'operations travel with prepare, and the leader is deposed at any moment',
    reaches: ['aborted, settled', 'committed, settled'],
    runs: [oneShot],
    isCalled: false,
    faults: oneElection,
  },
  {
    ...plain,
    name: 'one-shot, two instances',
    shows: 'prepare reaches two instances, again and again: it takes effect once',
    reaches: ['aborted, settled', 'committed, settled'],
    participants: [{ ...atP, instances: 2, openings: 2 }, atQ],
    runs: [oneShot],
    isCalled: false,
    resends: true,
  },
  {
    ...plain,
    name: 'read or written',
    shows: 'a one-shot that only read, and writes when it is executed again, by another instance',
    reaches: ['aborted, settled', 'committed, settled'],
    participants: [
      { ...atP, instances: 2, openings: 2, prepares: ['read-only', 'prepared'] },
      { ...atQ, prepares: ['read-only'] },
    ],
    runs: [oneShot],
    isCalled: false,
  },
]

export const overlapping: readonly Scenario[] = [
  {
    ...plain,
    name: 'two lists',
    shows: 'two sealed lists of one id share their participants (rule R4)',
    reaches: ['aborted, settled', 'committed, settled'],
    participants: [twiceAtP, atQ],
    runs: [oneShot, { ...oneShot, operation: 'other work' }],
    isCalled: false,
  },
  {
    ...plain,
    name: 'two lists, two leaders',
    shows: 'two lists of one kept id at the same participant, and another leader',
    reaches: ['aborted, settled', 'committed, settled', 'told replayed'],
    mark: 'kept',
    participants: [twiceAtP],
    runs: [
      { ...oneShot, participants: [p] },
      { ...oneShot, participants: [p], operation: 'other work' },
    ],
    isCalled: false,
    faults: oneElection,
  },
  {
    ...plain,
    name: 'reruns',
    shows: 'two runs of one kept id overlap, and may be given up: paid once (rule R17)',
    reaches: ['committed, settled', 'told committed', 'told replayed', 'told in doubt'],
    mark: 'kept',
    participants: [twiceAtP],
    runs: [patientAtP, { ...patientAtP, timesOut: true }],
    isCalled: false,
    faults: oneElection,
    deposedActs: false,
  },
]

/** Small enough that all of them together are searched whenever the tests run. */
export const scenarios: readonly Scenario[] = [...interactiveOnes, ...oneShots, ...overlapping]

/** Minutes, and gigabytes, each. */
export const largeScenarios: readonly Scenario[] = [
  {
    ...plain,
    name: 'two lists, two instances',
    shows: 'the second list meets an instance that remembers nothing of the first one',
    reaches: ['aborted, settled', 'committed, settled', 'told replayed'],
    mark: 'kept',
    participants: [{ ...atP, instances: 2, openings: 1 }],
    runs: [
      { ...oneShot, participants: [p] },
      { ...oneShot, participants: [p], operation: 'other work' },
    ],
    faults: oneElection,
    deposedActs: false,
  },
  {
    ...plain,
    name: 'commit, three terms',
    shows: 'the first leader leads again',
    faults: { ...none, elections: 2 },
    mustEnd: 'without its clients',
  },
  {
    ...plain,
    name: 'instances',
    shows: 'two instances, of which one may die, and everything is sent again',
    participants: [{ ...atP, instances: 2, openings: 2, dies: 'at any time' }, atQ],
    faults: { ...none, instanceCrashes: 1 },
    resends: true,
  },
  {
    ...plain,
    name: 'two lists, one branch shared',
    shows: 'two lists of one kept id, one branch shared, and another leader',
    mark: 'kept',
    participants: [twiceAtP, atQ],
    runs: [oneShot, { ...oneShot, participants: [p], operation: 'other work' }],
    isCalled: false,
    faults: oneElection,
  },
  {
    ...plain,
    name: 'reruns, two participants',
    shows: 'two runs of one kept id overlap at two participants',
    mark: 'kept',
    participants: [twiceAtP, { ...atQ, openings: 2 }],
    runs: [interactive, interactive],
    isCalled: false,
  },
]
