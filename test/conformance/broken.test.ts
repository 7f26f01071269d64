import type { BranchNote, CommitNote, CommitResult, OpenBranch, Resource } from '@verdict/participant'
import { groupOf, parseId } from '@verdict/protocol'
import { checkRule, type ResourceHarness, rulesFor, type SimulatedSession } from '@verdict/testing'
import { describe, expect, test } from 'vitest'
import { simulatedHarness } from './simulated.ts'

type Simulated = Resource<SimulatedSession>

/** The simulated database behind a resource that breaks a sentence of the contract. */
function broken(change: (honest: Simulated) => Partial<Simulated>): ResourceHarness<SimulatedSession> {
  return {
    lacks: simulatedHarness.lacks,
    async create() {
      const store = await simulatedHarness.create()
      return {
        ...store,
        async instance() {
          const honest = await store.instance()
          const members = [
            'start',
            'open',
            'finish',
            'look',
            'inDoubt',
            'tombstone',
            'raiseFloor',
            'floors',
            'collect',
            'forget',
            'explain',
            'stop',
          ] as const
          const kept = Object.fromEntries(members.map((name) => [name, honest[name].bind(honest)]))
          return { ...(kept as unknown as Simulated), ...change(honest) }
        },
      }
    },
  }
}

/** Changes what branches do when they are asked to prepare. */
function preparing(
  honest: Simulated,
  prepare: (
    branch: OpenBranch<SimulatedSession>,
    note: BranchNote,
  ) => ReturnType<OpenBranch<SimulatedSession>['prepare']>,
): Partial<Simulated> {
  return {
    async open(options) {
      const branch = await honest.open(options)
      return {
        session: branch.session,
        prepare: (note) => prepare(branch, note),
        commit: (note) => branch.commit(note),
        rollback: () => branch.rollback(),
      }
    },
  }
}

/** Changes what branches do when they are asked to commit alone. */
function committing(
  honest: Simulated,
  commit: (branch: OpenBranch<SimulatedSession>, note: CommitNote) => Promise<CommitResult>,
): Partial<Simulated> {
  return {
    async open(options) {
      const branch = await honest.open(options)
      return {
        session: branch.session,
        prepare: (note) => branch.prepare(note),
        commit: (note) => commit(branch, note),
        rollback: () => branch.rollback(),
      }
    },
  }
}

/** The sentences that the suite says are broken. */
async function brokenSentences(harness: ResourceHarness<SimulatedSession>): Promise<readonly string[]> {
  const outcomes = await Promise.all(
    rulesFor(harness).map(async (rule) => {
      const isKept = await checkRule(rule, harness).then(
        () => true,
        () => false,
      )
      return isKept ? [] : [rule.sentence]
    }),
  )
  return outcomes.flat()
}

const lies: readonly {
  readonly lie: string
  readonly caughtBy: RegExp
  change: (honest: Simulated) => Partial<Simulated>
}[] = [
  {
    lie: 'says prepared before it is durable',
    caughtBy: /^prepared: effects and row are durable/,
    change: (honest) =>
      preparing(honest, async (branch, note) => {
        void branch.prepare(note).catch(() => {})
        return { kind: 'prepared' }
      }),
  },
  {
    lie: 'says that a branch is finished before it is durable',
    caughtBy: /^finish committed: effects and a row/,
    change: (honest) => ({
      async finish(branch, ending) {
        void honest.finish(branch, ending).catch(() => {})
        return 'done'
      },
    }),
  },
  {
    lie: 'forgets the tombstone of an aborted branch',
    caughtBy: /^finish aborted: effects are gone and a row/,
    change: (honest) => ({
      finish: (branch, ending) => honest.finish(branch, ending === 'aborted' ? 'discarded' : ending),
    }),
  },
  {
    lie: 'writes no tombstone',
    caughtBy: /^tombstone: a row that says aborted is durable/,
    change: () => ({ tombstone: async () => 'done' }),
  },
  {
    lie: 'says nothing while a branch is prepared',
    caughtBy: /^look: shows a prepared branch/,
    change: (honest) => ({
      async look(id) {
        const row = await honest.look(id)
        return row.state === 'prepared' ? { state: 'nothing' } : row
      },
    }),
  },
  {
    lie: 'prepares a second branch of an id',
    caughtBy: /^exists: another branch of the id is prepared/,
    change: (honest) =>
      preparing(honest, async (branch, note) => {
        const result = await branch.prepare(note)
        return result.kind === 'exists' || result.kind === 'busy' ? { kind: 'prepared' } : result
      }),
  },
  {
    lie: 'finishes a branch whatever its token',
    caughtBy: /^finish committed under another digest or token is absent/,
    change: (honest) => ({
      async finish(branch, ending) {
        const row = await honest.look(branch.id)
        return row.state === 'prepared'
          ? honest.finish({ id: branch.id, digest: row.digest, token: row.token }, ending)
          : honest.finish(branch, ending)
      },
    }),
  },
  {
    lie: 'rolls back a branch of which it does not know whether it was prepared',
    caughtBy: /^busy: a branch that was prepared after all/,
    change: (honest) =>
      preparing(honest, async (branch, note) => {
        const result = await branch.prepare(note)
        if (result.kind === 'busy') await honest.finish(note, 'discarded')
        return result
      }),
  },
  {
    lie: 'keeps no floor',
    caughtBy: /^expired: a branch at or below the floor/,
    change: () => ({ raiseFloor: async () => 'raised' }),
  },
  {
    lie: 'deletes committed rows without being told',
    caughtBy: /^collect: shows each committed row of a logged transaction/,
    change: (honest) => ({
      async collect(group, limit, after) {
        const collected = await honest.collect(group, limit, after)
        await honest.forget(collected.logged.map(({ id }) => id))
        return collected
      },
    }),
  },
  {
    lie: 'forgets rows whose ids may still come',
    caughtBy: /^forget: deletes the named committed rows at or below the floor/,
    change: (honest) => ({
      async forget(ids) {
        for (const id of ids) await honest.raiseFloor(groupOf(id), parseId(id).epoch)
        await honest.forget(ids)
      },
    }),
  },
  {
    lie: 'says committed before it is durable',
    caughtBy: /^committed: effects and a lone row/,
    change: (honest) =>
      committing(honest, async (branch, note) => {
        void branch.commit(note).catch(() => {})
        return { kind: 'committed' }
      }),
  },
  {
    lie: 'keeps no row of a lone branch that wrote nothing, though it is asked to',
    caughtBy: /^rowAlways: a branch that wrote nothing keeps a row/,
    change: (honest) =>
      committing(honest, async (branch, note) => {
        const result = await branch.commit({ ...note, rowAlways: false })
        return result.kind === 'read-only' ? { kind: 'committed' } : result
      }),
  },
  {
    lie: 'says committed though a tombstone was there',
    caughtBy: /^commit exists: the id is aborted already/,
    change: (honest) =>
      committing(honest, async (branch, note) => {
        const result = await branch.commit(note)
        return result.kind === 'exists' ? { kind: 'committed' } : result
      }),
  },
  {
    lie: 'takes a lost answer to a commit for a refusal',
    caughtBy: /^commit busy: a tombstone waits for the lost commit/,
    change: (honest) =>
      committing(honest, async (branch, note) => {
        const result = await branch.commit(note)
        if (result.kind !== 'busy') return result
        return { kind: 'refused', reason: { code: 'resource-refused', message: 'Lost.', retryable: true } }
      }),
  },
  {
    lie: 'lets a read-only branch write',
    caughtBy: /^a read-only branch reads, refuses to write/,
    change: (honest) => ({ open: ({ lockTimeoutMs }) => honest.open({ lockTimeoutMs }) }),
  },
  {
    lie: 'lets prepared branches of before a crash be forgotten by inDoubt',
    caughtBy: /^inDoubt: shows what was prepared before a crash/,
    change: (honest) => {
      const mine = new Set<string>()
      return {
        ...preparing(honest, async (branch, note) => {
          mine.add(note.id)
          return branch.prepare(note)
        }),
        inDoubt: async (minAgeMs, limit) => (await honest.inDoubt(minAgeMs, limit)).filter(({ id }) => mine.has(id)),
      }
    },
  },
]

describe.concurrent('the conformance suite', () => {
  test('finds nothing wrong with a resource that keeps the contract', async () => {
    expect(await brokenSentences(broken(() => ({})))).toEqual([])
  })

  test.each(lies)('catches a resource that $lie', async ({ change, caughtBy }) => {
    expect(await brokenSentences(broken(change))).toContainEqual(expect.stringMatching(caughtBy))
  })
})
