import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Collector } from './collector.ts'
import { type Line, runSmallService } from './small-service.ts'

const warn = 40 // as pino counts

function warnings(lines: readonly Line[]): Line[] {
  return lines.filter(({ level, msg }) => level >= warn && msg !== 'refused')
}

/** The server on a port that the system chooses. */
async function listening(server: Server): Promise<{ readonly url: string } & AsyncDisposable> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => void server.close(),
  }
}

/** A port that nobody listens on: it was just given back. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('telemetry is off, silently,', () => {
  test.each([
    ['when nothing asks for it', {}],
    [
      'when every exporter is none',
      { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' },
    ],
    ['when it is disabled', { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }],
    ['when an endpoint is empty', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
    ['when something is set that asks for nothing', { OTEL_SERVICE_NAME: 'x', OTEL_PROPAGATORS: 'b3' }],
  ])('%s', async (_, environment) => {
    const { code, lines, err } = await runSmallService(environment)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(lines.map(({ msg }) => msg)).toEqual(['refused', 'serving', 'stopped'])
    expect(lines[0]).not.toHaveProperty('trace_id')
  })
})

describe.each(['http/protobuf', 'http/json'])('over %s', (protocol) => {
  test('traces, metrics and logs arrive, under the name of the service', async () => {
    await using collector = await Collector.start()
    const { code, lines, err } = await runSmallService({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    })
    expect({ code, err, warnings: warnings(lines) }).toEqual({ code: 0, err: '', warnings: [] })
    const [span] = collector.spans
    expect(collector.spans).toEqual([{ name: 'order', traceId: expect.any(String), spanId: expect.any(String) }])
    expect(collector.metrics).toEqual(expect.arrayContaining(['small.orders', 'nodejs.eventloop.utilization']))
    expect(collector.logs.map(({ body }) => body)).toEqual(['refused', 'serving'])
    expect(collector.logs[0]).toMatchObject({
      severity: 'warn',
      traceId: span?.traceId,
      spanId: span?.spanId,
      attributes: { 'exception.type': 'TypeError', 'exception.message': 'no tea' },
    })
    expect(lines[0]).toMatchObject({ trace_id: span?.traceId, span_id: span?.spanId, trace_flags: '01' })
    expect(collector.resources.length).toBeGreaterThanOrEqual(3)
    for (const resource of collector.resources) {
      expect(resource).toMatchObject({ 'service.name': 'small', 'service.version': '9.8.7', 'small.place': 'here' })
      expect(resource['service.instance.id']).toBe(collector.resources[0]?.['service.instance.id'])
      expect(Object.keys(resource).filter((key) => /^(process|host|os)\./.test(key))).toEqual([])
    }
  })
})

describe('the environment', () => {
  test('names the service, before the service does', async () => {
    await using collector = await Collector.start()
    await runSmallService({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_SERVICE_NAME: 'tea-shop',
      OTEL_RESOURCE_ATTRIBUTES: 'service.version=7,deployment.environment.name=test',
    })
    expect(collector.resources[0]).toMatchObject({
      'service.name': 'tea-shop',
      'service.version': '7',
      'deployment.environment.name': 'test',
    })
  })

  test('chooses the signals: the endpoint of one does not ask for the others', async () => {
    await using collector = await Collector.start()
    const { lines } = await runSmallService({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: new URL('/v1/traces', collector.url).href,
    })
    expect(warnings(lines)).toEqual([])
    expect(collector).toMatchObject({ spans: [{ name: 'order' }], metrics: [], logs: [] })
  })

  test('asks for an endpoint of Prometheus, and for nothing else', async () => {
    const port = await freePort()
    const environment = { OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: String(port) }
    let page = ''
    const { code, lines } = await runSmallService(environment, async () => {
      page = await (await fetch(`http://localhost:${port}/metrics`)).text()
    })
    expect({ code, warnings: warnings(lines) }).toEqual({ code: 0, warnings: [] })
    expect(page).toContain('small_orders_total')
    expect(page).toContain('nodejs_eventloop_utilization')
  })
})

describe('a collector', () => {
  test('that refuses everything is told of now and then, and the service goes on', async () => {
    const asked = 30
    const enough = Promise.withResolvers<void>()
    let count = 0
    await using server = await listening(
      createHttpServer((request, response) => {
        request.resume()
        response.writeHead(500).end()
        if (++count === asked) enough.resolve()
      }),
    )
    const often = { OTEL_METRIC_EXPORT_INTERVAL: '20', OTEL_METRIC_EXPORT_TIMEOUT: '20' }
    const { code, lines, err } = await runSmallService(
      { OTEL_EXPORTER_OTLP_ENDPOINT: server.url, ...often },
      () => enough.promise,
    )
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const told = warnings(lines).filter(({ msg }) => msg.startsWith('OpenTelemetry'))
    expect(told.length).toBeGreaterThan(0)
    expect(told.length).toBeLessThan(asked / 2)
    for (const { count: times } of told) expect(Math.log2(times ?? 0) % 1).toBe(0)
  })

  test('that hangs holds the stop up for two seconds, and changes no exit code', async () => {
    // It takes every connection and says nothing.
    await using server = await listening(createServer((socket) => socket.on('error', () => {})))
    const { code, lines } = await runSmallService({ OTEL_EXPORTER_OTLP_ENDPOINT: server.url })
    expect(code).toBe(0)
    const stopMs = lines.find(({ msg }) => msg === 'stopped')?.stopMs ?? 0
    expect(stopMs).toBeGreaterThan(1_500) // it was waited for
    expect(stopMs).toBeLessThan(4_000)
  })
})

describe('a value that cannot be used', () => {
  test.each([
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_METRICS_EXPORTER', 'otlp,statsd'],
    ['OTEL_LOGS_EXPORTER', 'file'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/xml'],
    ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'thrift'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318'],
    ['OTEL_EXPORTER_OTLP_LOGS_ENDPOINT', 'http://'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', 'soon'],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'zip'],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/nowhere/ca.pem'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '10%'],
    ['OTEL_TRACES_SAMPLER_ARG', '1.5'],
    ['OTEL_PROPAGATORS', 'tracecontext,jaeger'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'team'],
    ['OTEL_NODE_RESOURCE_DETECTORS', 'env'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '-1'],
    ['OTEL_BSP_SCHEDULE_DELAY', '5s'],
    ['OTEL_SPAN_LINK_COUNT_LIMIT', 'many'],
    ['OTEL_METRIC_EXPORT_INTERVAL', '0'],
    ['OTEL_EXPORTER_PROMETHEUS_PORT', '99999'],
    ['OTEL_LOG_LEVEL', 'loud'],
    ['OTEL_SDK_DISABLED', 'perhaps'],
    ['OTEL_CONFIG_FILE', 'otel.yaml'],
  ])('%s=%s is told once, and nothing is exported', async (variable, found) => {
    await using collector = await Collector.start()
    const { code, lines, err } = await runSmallService({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      [variable]: found,
    })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(warnings(lines)).toEqual([
      expect.objectContaining({ level: warn, variable, found, expected: expect.any(String) }),
    ])
    expect(lines[0]?.msg).toContain(`${variable}=${found}: expected`)
    expect(collector).toMatchObject({ spans: [], metrics: [], logs: [] })
  })

  test('is told without the password or token that it holds', async () => {
    const { lines } = await runSmallService({
      OTEL_EXPORTER_OTLP_HEADERS: 'secret-token',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://me:secret-word@collector',
    })
    expect(lines.map(({ variable }) => variable)).toEqual(
      expect.arrayContaining(['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_ENDPOINT']),
    )
    expect(JSON.stringify(lines)).not.toContain('secret')
  })
})
