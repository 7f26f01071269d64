/**
 * Loaded into a service before its program (`--import`), so that it can be made to crash at a named point of the protocol: puts
 * itself between the service and the libraries at its edge. Nothing in the product knows of it.
 */
import { registerHooks } from 'node:module'
import pg from 'pg'
import { disarm, reach, type Step } from './crash-point.ts'

const standIns = new Map(
  ['lmdb', '@nats-io/transport-node'].map((library) => [
    library,
    new URL(`./crashing-${library === 'lmdb' ? 'lmdb' : 'nats'}.ts`, import.meta.url).href,
  ]),
)

disarm()
registerHooks({
  resolve(specifier, context, nextResolve) {
    const standIn = standIns.get(specifier)
    return nextResolve(standIn === undefined || context.parentURL === standIn ? specifier : standIn, context)
  },
})

type Query = (this: pg.Client, statement: string | { readonly text: string }, ...rest: unknown[]) => Promise<unknown>

const client = pg.Client.prototype as { query: Query }
const { query } = client
client.query = function (statement, ...rest) {
  const step = stepOf(typeof statement === 'string' ? statement : statement.text)
  if (step === undefined) return query.call(this, statement, ...rest)
  reach(`before ${step}`)
  return query.call(this, statement, ...rest).then((result) => {
    reach(`after ${step}`)
    return result
  })
}

function stepOf(text: string): Step | undefined {
  if (text.startsWith('prepare transaction')) return 'PREPARE TRANSACTION'
  if (text === 'commit') return 'COMMIT'
  return text.startsWith('commit prepared') ? 'COMMIT PREPARED' : undefined
}
