/** The bank of the soak that keeps its accounts in an LMDB folder, as a process: the other one has a PostgreSQL server. */

import { lmdb } from '@verdict/lmdb'
import { defineParticipant, refuse } from '@verdict/participant'
import { z } from 'zod'
import { openingCents } from '../bench/bank.ts'

const { DATA_FOLDER, NATS_URL } = process.env
if (DATA_FOLDER === undefined || NATS_URL === undefined) throw new Error('DATA_FOLDER and NATS_URL are needed')

const bank = defineParticipant({
  name: 'bank-b',
  resource: lmdb({ path: DATA_FOLDER }),
  operations: {
    move: {
      input: z.object({ account: z.number().int(), cents: z.number().int() }),
      async run({ account, cents }, { store }) {
        if (account < 1) throw refuse('unknown-account', `There is no account ${account}.`)
        const key = `account ${account}`
        const balance = Number((await store.getForUpdate(key)) ?? openingCents)
        await store.put(key, balance + cents)
      },
    },
  },
})
const serving = await bank.serve({ servers: NATS_URL })
console.log(JSON.stringify({ msg: 'serving' }))
process.once('SIGTERM', () => {
  serving.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
