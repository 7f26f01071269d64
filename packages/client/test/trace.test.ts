import { propagation, type TextMapPropagator } from '@opentelemetry/api'
import { afterEach, expect, test } from 'vitest'
import { type Payments, Stage } from './stage.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

function propagate(fields: Record<string, string>): void {
  const propagator: TextMapPropagator = {
    inject: (_, carrier, setter) => {
      for (const [name, value] of Object.entries(fields)) setter.set(carrier, name, value)
    },
    extract: (context) => context,
    fields: () => Object.keys(fields),
  }
  propagation.setGlobalPropagator(propagator)
}

/** The trace contexts of the call and the commit of one transaction. */
async function traces(): Promise<unknown[]> {
  const stage = new Stage()
  stage.participant('payments')
  await stage.play((verdict) => verdict.transaction((tx) => tx.on<Payments>('payments').audit()))
  return [stage.calls[0]?.call.trace, stage.commits[0]?.trace]
}

afterEach(() => propagation.disable())

test('messages carry the active W3C trace context', async () => {
  propagate({ traceparent, tracestate: 'vendor=1' })
  expect(await traces()).toEqual(Array(2).fill({ traceparent, tracestate: 'vendor=1' }))
})

test('messages carry nothing when no telemetry is set up, or another kind of it', async () => {
  expect(await traces()).toEqual([undefined, undefined])
  propagate({ b3: '80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1' })
  expect(await traces()).toEqual([undefined, undefined])
  propagate({ traceparent: 'not one' })
  expect(await traces()).toEqual([undefined, undefined])
})
