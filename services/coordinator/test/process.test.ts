import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GroupStatus } from '@verdict/cli'
import { parseManifest } from '@verdict/coordinator'
import { type Epoch, makeId, ownerName } from '@verdict/protocol'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type NatsServer, startNats } from '../../../infra/nats.ts'
import { ReplicaProcess, runReplica, verdict } from './replica.ts'

const names = ['n1', 'n2', 'n3'] as const
const namespace = `test-${randomBytes(6).toString('hex')}` // the NATS server may serve others, too
const patience = { timeout: 20_000, interval: 100 }

let folder: string

function environmentOf(replica: string): Record<string, string> {
  return {
    VERDICT_REPLICA: replica,
    VERDICT_GROUP_FILE: join(folder, 'group', 'manifest.json'),
    VERDICT_DATA_FOLDER: join(folder, 'group', replica),
    VERDICT_NAMESPACE: namespace,
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-coordinator-'))
  const group = join(folder, 'group')
  const { code, err } = await verdict(
    'group',
    'init',
    '--name',
    'main',
    '--replicas',
    names.join(','),
    '--folder',
    group,
  )
  expect({ code, err }).toEqual({ code: 0, err: '' })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A port that nobody listens on: it was just given back. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const oneLine = /^[^\n]+\n$/

describe('a replica does not start', () => {
  test('on an empty data folder: only an explicit init makes a store', async () => {
    const empty = join(folder, 'empty')
    mkdirSync(empty)
    const { code, err } = await runReplica({ ...environmentOf('n1'), VERDICT_DATA_FOLDER: empty })
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(oneLine) })
    expect(err).toContain(empty)
    expect(readdirSync(empty)).toEqual([])
  })

  test('on the store of another replica', async () => {
    const { code, err } = await runReplica({ ...environmentOf('n1'), VERDICT_DATA_FOLDER: join(folder, 'group', 'n2') })
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(oneLine) })
    expect(err).toMatch(/n2/)
  })

  test('on the store of another group, of the same name', async () => {
    const other = join(folder, 'other')
    await verdict('group', 'init', '--name', 'main', '--replicas', names.join(','), '--folder', other)
    const { code, err } = await runReplica({ ...environmentOf('n1'), VERDICT_DATA_FOLDER: join(other, 'n1') })
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(oneLine) })
  })

  test('as one that its group does not have', async () => {
    const { code, err } = await runReplica(environmentOf('n4'))
    expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(oneLine) })
    expect(err).toContain('VERDICT_REPLICA name one of n1, n2, n3')
  })

  test('under a configuration that cannot be used', async () => {
    const { code, err } = await runReplica({ ...environmentOf('n1'), VERDICT_HTTP_PORT: 'http' })
    expect(code).toBe(2)
    expect(err).toContain('VERDICT_HTTP_PORT')
  })
})

test('a replica that still waits for NATS stops when it is asked to', async () => {
  const replica = new ReplicaProcess({ ...environmentOf('n1'), VERDICT_NATS_URL: 'nats://127.0.0.1:1' })
  try {
    await replica.start('connecting to NATS')
    expect(await replica.end('SIGTERM')).toBe(0)
  } finally {
    await replica.discard()
  }
})

describe('telemetry of a replica', () => {
  let nats: NatsServer

  beforeAll(async () => {
    nats = await startNats()
  })

  afterAll(() => nats.stop())

  /** A replica that serves under these variables while something is done with it, and then stops as asked. */
  async function serving(
    telemetry: Readonly<Record<string, string>>,
    observe: (replica: ReplicaProcess) => Promise<void>,
  ): Promise<void> {
    const replica = new ReplicaProcess({ ...environmentOf('n1'), ...telemetry, VERDICT_NATS_URL: nats.url })
    try {
      await replica.start()
      await observe(replica)
      expect(await replica.end('SIGTERM')).toBe(0)
    } finally {
      await replica.discard()
    }
  }

  test.each([
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'http/xml'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector'],
    ['OTEL_TRACES_SAMPLER', 'sometimes'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['OTEL_PROPAGATORS', 'jaeger'],
    ['OTEL_RESOURCE_ATTRIBUTES', 'team'],
    ['OTEL_BSP_EXPORT_TIMEOUT', 'soon'],
    ['OTEL_ATTRIBUTE_COUNT_LIMIT', 'many'],
  ])('%s=%s is told by name, and the replica serves without', async (variable, found) => {
    await serving({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', [variable]: found }, async (replica) => {
      const warnings = replica.lines.filter(({ level }) => Number(level) > 30)
      expect(warnings).toEqual([expect.objectContaining({ variable, found, expected: expect.any(String) })])
      expect(await replica.get('/livez')).toEqual({ code: 200, body: 'ok\n' })
    })
  })

  test('is not in the way of a replica whose collector is down', async () => {
    await serving({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }, async (replica) => {
      expect(await replica.get('/livez')).toEqual({ code: 200, body: 'ok\n' })
    })
  })

  test('is there for Prometheus', async () => {
    const port = await freePort()
    const telemetry = { OTEL_METRICS_EXPORTER: 'prometheus', OTEL_EXPORTER_PROMETHEUS_PORT: String(port) }
    await serving(telemetry, async () => {
      await vi.waitFor(async () => {
        const page = await (await fetch(`http://localhost:${port}/metrics`)).text()
        expect(page).toMatch(/^verdict_raft_leading\{/m)
        expect(page).toMatch(/^nodejs_eventloop_delay_p99\{/m)
        expect(page).toMatch(/^target_info\{.*service_name="coordinator"/m)
      }, patience)
    })
  })
})

describe('three replicas as processes', () => {
  let nats: NatsServer
  let replicas: ReadonlyMap<string, ReplicaProcess>
  let asking: readonly string[]

  async function status(): Promise<GroupStatus> {
    const manifest = join(folder, 'group', 'manifest.json')
    const { out } = await verdict('status', '--json', '--timeout', '1', '--manifest', manifest, ...asking)
    return JSON.parse(out) as GroupStatus
  }

  /** The status once there is a leader that every replica which answers follows. */
  function settledStatus(): Promise<GroupStatus & { readonly leader: string }> {
    return vi.waitFor(async () => {
      const { leader, ...rest } = await status()
      if (leader === null) throw new Error('nobody leads')
      for (const replica of rest.replicas) if (replica.answered) expect(replica.leader).toBe(leader)
      return { leader, ...rest }
    }, patience)
  }

  function replica(name: string): ReplicaProcess {
    const found = replicas.get(name)
    if (found === undefined) throw new Error(`there is no replica ${name}`)
    return found
  }

  beforeAll(async () => {
    nats = await startNats()
    asking = ['--servers', nats.url, '--namespace', namespace]
    replicas = new Map(
      names.map((name) => [name, new ReplicaProcess({ ...environmentOf(name), VERDICT_NATS_URL: nats.url })]),
    )
    await Promise.all([...replicas.values()].map((each) => each.start()))
  })

  afterAll(async () => {
    await Promise.all([...replicas.values()].map((each) => each.discard()))
    await nats.stop()
  })

  test('elect one leader, and all are ready', async () => {
    const { replicas: found } = await settledStatus()
    expect(found.map(({ replica, answered }) => ({ replica, answered }))).toEqual(
      names.map((replica) => ({ replica, answered: true })),
    )
    expect(found.filter((each) => each.answered && each.role === 'leader')).toHaveLength(1)
    for (const name of names) {
      expect(await replica(name).get('/livez')).toEqual({ code: 200, body: 'ok\n' })
      expect(await replica(name).get('/readyz')).toEqual({ code: 200, body: 'ok\n' })
    }
  })

  test('are found by the name of their group alone', async () => {
    const { code, out } = await verdict('status', ...asking)
    expect(code).toBe(0)
    expect(out).toMatch(/^group main_[a-z2-7]{13}, led by n[123]$/m)
  })

  test('keep a second process off their stores, and go on', async () => {
    const before = await settledStatus()
    const { code, err } = await runReplica({
      ...environmentOf(before.leader),
      VERDICT_NATS_URL: nats.url,
      VERDICT_HTTP_PORT: '0',
    })
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(oneLine) })
    expect(err).toContain(
      `${join(folder, 'group', before.leader)} is in use by process ${replica(before.leader).pid} on`,
    )
    expect((await settledStatus()).leader).toBe(before.leader)
    expect(await replica(before.leader).get('/readyz')).toEqual({ code: 200, body: 'ok\n' })
  })

  test('tell what is recorded of a transaction: nothing of one that never was', async () => {
    const manifest = parseManifest(readFileSync(join(folder, 'group', 'manifest.json'), 'utf8'))
    const { name: group, incarnation } = manifest
    const id = makeId(
      { group, incarnation, epoch: 1 as Epoch, owner: ownerName('checkout'), mark: 'kept' },
      randomBytes(12),
    )
    const { code, out } = await verdict('txn', 'show', id, '--json', ...asking)
    expect({ code, shown: JSON.parse(out) }).toEqual({ code: 3, shown: { id, recorded: false, found: 'none' } })
    const list = await verdict('txn', 'list', '--in-doubt', '--json', ...asking)
    expect({ code: list.code, shown: JSON.parse(list.out) }).toMatchObject({
      code: 0,
      shown: { unsettled: 0, transactions: [] },
    })
  })

  test('go on under another leader when theirs is asked to stop, and take it back as one of them when it returns', async () => {
    const before = await settledStatus()
    expect(await replica(before.leader).end('SIGTERM')).toBe(0)

    const after = await settledStatus()
    expect(after.leader).not.toBe(before.leader)
    expect(after.replicas.find(({ replica }) => replica === before.leader)).toEqual({
      replica: before.leader,
      answered: false,
    })

    await replica(before.leader).start()
    const again = await settledStatus()
    expect(again.replicas.every(({ answered }) => answered)).toBe(true)
  })
})
