import { refuse } from '@verdict/participant'
import { systemClock } from '@verdict/runtime'
import { describe, expect, test } from 'vitest'
import { type Debiting, onAnotherConnection, rightly, tryBank } from './bank.ts'

/** A service that does one thing wrong, and what the kit has to say of it: this and nothing else. */
interface Wrong {
  readonly what: string
  readonly says: string
  readonly make: () => Debiting
}

let outlivesDefinitions = 0

const gallery: readonly Wrong[] = [
  {
    what: 'writes outside the transaction, and nothing in it',
    says: "After a crash before the vote, 'debit' left its effect behind: it writes outside the branch's transaction.",
    make: () => async (_, __, database) => onAnotherConnection(database, 'anna', -30),
  },
  {
    what: 'writes in the transaction, and a part on a second connection',
    says: "After a crash before the vote, 'debit' left its effect behind: it writes outside the branch's transaction.",
    make: () => async (input, context, database) => {
      const result = await rightly(input, context, database)
      await onAnotherConnection(database, 'others', 1)
      return result
    },
  },
  {
    what: 'counts in a variable of its process, into the database',
    says: "After a run that came to nothing, 'debit' does something else on the same data: it keeps something that outlives the run, such as a variable in memory.",
    make: () => {
      let count = 0
      return async (_, { table }) => {
        count += 1
        await table.put('count', count)
      }
    },
  },
  {
    what: 'remembers in its process which accounts it has debited',
    says: "After a run that came to nothing, 'debit' does something else on the same data: it keeps something that outlives the run, such as a variable in memory.",
    make: () => {
      const debited = new Set<string>()
      return async (input, context, database) => {
        if (debited.has(input.account)) throw refuse('debited-already')
        debited.add(input.account)
        return rightly(input, context, database)
      }
    },
  },
  {
    what: 'counts in a variable of its module, into its result',
    says: "'debit' does not do the same twice on the same data: it depends on something outside of it, such as a variable in memory, the clock or chance.",
    make: () => async (input, context, database) => {
      await rightly(input, context, database)
      outlivesDefinitions += 1
      return outlivesDefinitions
    },
  },
  {
    what: 'writes what the dice say',
    says: "'debit' does not do the same twice on the same data: it depends on something outside of it, such as a variable in memory, the clock or chance.",
    make:
      () =>
      (_, { table }) =>
        table.put('chance', Math.random()),
  },
  {
    what: 'does not await its last statement',
    says: "'debit' returns without waiting for a statement (put debit anna): it could fail unseen, or miss the commit.",
    make:
      () =>
      async ({ account, cents }, { table }) => {
        await table.add(account, -cents)
        void table.put(`debit ${account}`, cents)
      },
  },
  {
    what: 'does not await its first statement, and the second one is awaited behind it',
    says: "'debit' returns without waiting for a statement (add anna): it could fail unseen, or miss the commit.",
    make:
      () =>
      async ({ account, cents }, { table }) => {
        void table.add(account, -cents)
        await table.put(`debit ${account}`, cents)
      },
  },
  {
    what: 'leaves its last statement to a callback',
    says: "'debit' returns without waiting for a statement (put debit anna): it could fail unseen, or miss the commit.",
    make:
      () =>
      async ({ account, cents }, { table }) => {
        await table.add(account, -cents)
        table.put(`debit ${account}`, cents).then(
          () => undefined,
          () => undefined,
        )
      },
  },
  {
    what: 'uses the session after it has returned',
    says: "'debit' returns without waiting for a statement (put debit anna): it could fail unseen, or miss the commit.",
    make:
      () =>
      async ({ account, cents }, { table }) => {
        await table.add(account, -cents)
        setImmediate(() => void table.put(`debit ${account}`, cents))
      },
  },
  {
    what: 'swallows the error of a statement',
    says: "When statement 2 fails (put debit anna), 'debit' goes on as if nothing had happened: half of its work would be committed.",
    make:
      () =>
      async ({ account, cents }, { table }) => {
        await table.add(account, -cents)
        await table.put(`debit ${account}`, cents).catch(() => undefined)
      },
  },
  {
    what: 'reads what it writes on another connection',
    says: "When two run at the same time, 'debit' loses an effect: it reads what it changes without a lock, or on another connection.",
    make:
      () =>
      async ({ account, cents }, { table }, database) => {
        const left = Number(database.value(account)) - cents
        await table.put(account, left)
      },
  },
  {
    what: 'leaves a transaction open on another connection',
    says: "With no crash at all, a lock that 'debit' needs was still held when all was over: it leaves work open outside of its branch.",
    make: () => async (input, context, database) => {
      const connection = await database.connect('forgotten', systemClock)
      await connection.request((backend) => backend.begin(100))
      await connection.request((backend) => backend.add('others', 1, 0))
      return rightly(input, context, database)
    },
  },
  {
    what: 'waits for a lock that its own branch holds',
    says: "'debit' did not return within 200 ms: it waits for something else than its statements.",
    make:
      () =>
      async ({ account, cents }, { table }, database) => {
        await table.add(account, -cents)
        await onAnotherConnection(database, account, 1)
      },
  },
  {
    what: 'takes a lock on another connection that its own branch then waits for',
    says: "'debit' did not return within 200 ms: it waits for a statement (add anna).",
    make: () => async (input, context, database) => {
      const connection = await database.connect('another', systemClock)
      await connection.request((backend) => backend.begin(1_000))
      await connection.request((backend) => backend.add('anna', 1, 0))
      return rightly(input, context, database)
    },
  },
  {
    what: 'never returns',
    says: "'debit' did not return within 200 ms: it waits for something else than its statements.",
    make: () => () => new Promise(() => undefined),
  },
  {
    what: 'returns a function',
    says: "What 'debit' returns is no plain data: it cannot travel, or arrives as something else.",
    make: () => async (input, context, database) => {
      await rightly(input, context, database)
      return { undo: () => undefined }
    },
  },
  {
    what: 'returns a map, which would arrive as something else',
    says: "What 'debit' returns is no plain data: it cannot travel, or arrives as something else.",
    make: () => async (input, context, database) => {
      await rightly(input, context, database)
      return new Map([['left', 1]])
    },
  },
  {
    what: 'is refused with the example',
    says: "The example call of 'debit' was refused, so no crash could be tried: insufficient-funds, insufficient-funds",
    make: () => () => {
      throw refuse('insufficient-funds')
    },
  },
  {
    what: 'changes nothing',
    says: "The example call of 'debit' changed nothing that `state` shows, so nothing could be checked.",
    make:
      () =>
      ({ account }, { table }) =>
        table.get(account),
  },
]

describe('the kit says of a service that', () => {
  test.each(gallery)('$what', async ({ make, says }) => {
    const report = await tryBank(make, { budgetMs: 200 })
    expect(report.faults.map(({ sentence }) => sentence)).toEqual([says])
    expect(() => report.assert()).toThrow(says)
  })
})
