import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import type { Database } from './database.ts'
import type { Disk } from './disk.ts'
import { type HostName, hostNames, type Way } from './hosts.ts'
import type { FaultKind, PlannedFault } from './plan.ts'
import type { Program } from './program.ts'
import type { System } from './system.ts'

/** A fault that can strike now. */
export interface Fault {
  /** What it strikes, for people. */
  readonly target: string
  /** Parts of the system that no other fault may strike meanwhile. */
  readonly parts: readonly string[]
  begin(): Promise<void> | void
  /** Ends it, and says what was seen of it, if it can be seen from outside. */
  end(): Promise<string | undefined>
}

const leaderPatienceMs = 3_000
const leaderPollMs = 50
const nudgeMs = 300 // between two statements that make a database write while its disk is full

/** What a planned fault strikes, as the system is now; undefined when there is nothing to strike, as when nobody leads. */
export async function aim(system: System, { kind, choice }: PlannedFault): Promise<Fault | undefined> {
  const { replicas, participants, clients, auditors, nats, databases } = system
  const one = <T>(from: readonly T[]): T | undefined => from[Math.floor(choice * from.length)]
  switch (kind) {
    case 'kill leader':
      return kill(await leaders(system))
    case 'pause leader':
      return pause(await leaders(system))
    case 'kill replica':
      return kill(some(one(replicas)))
    case 'kill two replicas': {
      const spared = one(replicas)
      return kill(replicas.filter((replica) => replica !== spared))
    }
    case 'pause replica':
      return pause(some(one(replicas)))
    case 'kill participant':
      return kill(some(one(participants)))
    case 'pause participant':
      return pause(some(one(participants)))
    case 'kill client':
      return kill(some(one(clients)))
    case 'pause client':
      return pause(some(one(clients)))
    case 'kill auditor':
      return kill(auditors)
    case 'kill NATS server':
      return kill(some(one(nats)))
    case 'pause NATS server':
      return pause(some(one(nats)))
    case 'kill all NATS servers':
      return kill(nats)
    case 'crash PostgreSQL':
      return crash(one(databases))
    case 'pause PostgreSQL':
      return pauseDatabase(one(databases))
    case 'fill disk':
      return fillDisk(system, one([...system.disks.keys()]))
    case 'cut host off': {
      const host = one(hostNames)
      return host && cut(system, `host ${host}`, waysOf(host))
    }
    case 'cut link': {
      const apart = one(hostNames)
      const [from = 'a', to = 'b'] = hostNames.filter((name) => name !== apart)
      return cut(system, `${from} and ${to} from each other`, [
        [from, to],
        [to, from],
      ])
    }
    case 'cut one way': {
      const way = one(allWays)
      return way && cut(system, `what ${way[0]} sends to ${way[1]}`, [way])
    }
  }
}

/** Why a kind of fault cannot be had here, by kind. */
export function hindrances(system: System, networkHindrance: string | undefined): ReadonlyMap<FaultKind, string> {
  const found = new Map<FaultKind, string>()
  if (networkHindrance !== undefined) {
    for (const kind of ['cut host off', 'cut link', 'cut one way'] as const) found.set(kind, networkHindrance)
  }
  if (system.diskHindrance !== undefined) found.set('fill disk', system.diskHindrance)
  if (process.platform !== 'linux') found.set('pause PostgreSQL', 'its processes are found in /proc')
  return found
}

function kill(programs: readonly Program[]): Fault | undefined {
  if (programs.length === 0) return undefined
  return {
    target: names(programs),
    parts: programs.map(({ name }) => name),
    begin: async () => {
      await Promise.all(programs.map((program) => program.kill()))
    },
    end: async () => {
      // Whether it comes back may depend on what another fault has broken: nobody waits for that here.
      for (const program of programs) void program.start()
      return undefined
    },
  }
}

function pause(programs: readonly Program[]): Fault | undefined {
  if (programs.length === 0) return undefined
  return {
    target: names(programs),
    parts: programs.map(({ name }) => name),
    begin: () => {
      for (const program of programs) program.pause()
    },
    end: async () => {
      for (const program of programs) program.resume()
      return undefined
    },
  }
}

function crash(database: Database | undefined): Fault | undefined {
  return (
    database && {
      target: `the database of ${database.name}`,
      parts: [`database ${database.name}`],
      begin: () => database.kill(),
      end: async () => {
        await database.start()
        return undefined
      },
    }
  )
}

function pauseDatabase(database: Database | undefined): Fault | undefined {
  return (
    database && {
      target: `the database of ${database.name}`,
      parts: [`database ${database.name}`],
      begin: () => database.pause(),
      end: async () => {
        database.resume()
        return undefined
      },
    }
  )
}

function fillDisk(system: System, name: string | undefined): Fault | undefined {
  const disk = name === undefined ? undefined : system.disks.get(name)
  if (name === undefined || disk === undefined) return undefined
  const database = system.databases.find((one) => one.disk === disk)
  const program = system.programs.find((one) => one.name === name || one.name === `${name}-1`)
  if (database !== undefined) return fillDatabase(database, disk)
  return program && fillStore(program, disk)
}

function fillDatabase(database: Database, disk: Disk): Fault {
  let stopNudging = async (): Promise<string | undefined> => undefined
  return {
    target: `the disk of the database of ${database.name}`,
    parts: [`database ${database.name}`],
    begin: () => {
      disk.fill()
      stopNudging = nudge(database)
    },
    end: async () => {
      const seen = await stopNudging()
      disk.free()
      await database.start()
      return seen ?? wentOn
    },
  }
}

function fillStore(program: Program, disk: Disk): Fault {
  const seen = program.watchLog(/No space left on device|Input\/output error/)
  return {
    target: `the disk of ${program.name}`,
    parts: [program.name],
    begin: () => disk.fill(),
    end: async () => {
      disk.free()
      // Whoever failed to write takes nothing more until it is started anew, which its operator does once there is room.
      await program.kill()
      void program.start()
      return seen() ?? wentOn
    },
  }
}

const wentOn = 'it went on without more room'

/** Makes a database ask for room, again and again, as a busier one would; the result says what it answered. */
function nudge(database: Database): () => Promise<string | undefined> {
  let seen: string | undefined
  let over = false
  const nudging = (async () => {
    while (!over) {
      seen = (await database.ask('create temporary table t(); select pg_switch_wal()')) ?? seen
      await wait(nudgeMs)
    }
  })()
  return async () => {
    over = true
    await nudging
    return seen
  }
}

function cut(system: System, target: string, ways: readonly Way[]): Fault {
  const before = new Map<HostName, number>()
  const ends = [...new Set(ways.flat())]
  return {
    target,
    parts: ways.map(([from, to]) => `way ${from} ${to}`),
    begin: () => {
      for (const end of ends) before.set(end, resentBy(system, end))
      for (const way of ways) system.network.cut(way)
    },
    end: async () => {
      const resent = ends.reduce((sum, end) => sum + resentBy(system, end) - (before.get(end) ?? 0), 0)
      for (const way of ways) system.network.mend(way)
      return `${Math.max(0, resent)} packets were sent again`
    },
  }
}

const allWays: readonly Way[] = hostNames.flatMap((from) =>
  hostNames.filter((to) => to !== from).map((to): Way => [from, to]),
)

function waysOf(host: HostName): readonly Way[] {
  return allWays.filter((way) => way.includes(host))
}

/** TCP segments that a host has sent again, by the account that the system keeps of the network of a process there. */
function resentBy(system: System, host: HostName): number {
  const pid = system.programs.find((program) => program.host.name === host && program.pid !== undefined)?.pid
  try {
    const [names = '', values = ''] = readFileSync(`/proc/${pid}/net/snmp`, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('Tcp:'))
    return Number(values.split(' ')[names.split(' ').indexOf('RetransSegs')])
  } catch {
    return 0 // that process ended just now
  }
}

/** Whoever leads, or will in a moment. */
async function leaders(system: System): Promise<readonly Program[]> {
  for (const endsAtMs = Date.now() + leaderPatienceMs; Date.now() < endsAtMs; ) {
    const leader = await system.leader()
    if (leader !== undefined) return [leader.program]
    await wait(leaderPollMs)
  }
  return []
}

function some<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value]
}

function names(programs: readonly Program[]): string {
  return programs.map(({ name }) => name).join(' and ')
}
