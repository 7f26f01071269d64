import { readFileSync } from 'node:fs'
import { createLog, startTelemetry } from '@verdict/telemetry'
import { expect, test, vi } from 'vitest'
import { startPostgres } from '../../infra/postgres.ts'
import { picture, withoutOrder } from './picture.ts'
import { Receiver } from './receiver.ts'
import { fileOf, scenarios } from './scenarios.ts'
import { Shop } from './shop.ts'

const names = ['committed', 'refused vote', 'outcome after a change of leader']

test('a receiver of OTLP gets the traces that the pictures show', async () => {
  await using server = await startPostgres()
  await using receiver = await Receiver.start()
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url)
  vi.stubEnv('OTEL_METRICS_EXPORTER', 'none')
  vi.stubEnv('OTEL_LOGS_EXPORTER', 'none')
  const telemetry = await startTelemetry({
    service: 'shop',
    version: '1.0.0',
    log: createLog({ name: 'shop', level: 'warn' }),
  })
  vi.unstubAllEnvs()
  const happened: { readonly name: string; readonly fromMs: number; readonly toMs: number }[] = []
  for (const name of names) {
    const { happen, settings } = scenarios[name] ?? {}
    await using shop = await Shop.open(server.url, settings)
    const fromMs = Date.now()
    await happen?.(shop)
    happened.push({ name, fromMs, toMs: Date.now() + 1 })
  }
  await telemetry.stop()
  for (const { name, fromMs, toMs } of happened) {
    const received = picture(receiver.between(fromMs, toMs))
    expect(withoutOrder(received), name).toBe(withoutOrder(readFileSync(fileOf(name), 'utf8')))
  }
})
