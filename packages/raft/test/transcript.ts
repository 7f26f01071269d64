import { step } from '../src/core.ts'
import type { Effect } from '../src/effect.ts'
import { StoreError } from '../src/errors.ts'
import type { Event } from '../src/event.ts'
import { lastIndexOf } from '../src/log.ts'
import type { MembershipChange } from '../src/membership.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from '../src/message.ts'
import type { RaftEvent } from '../src/notice.ts'
import { defaultSettings, type RaftSettings } from '../src/settings.ts'
import { createState, leaderOf, membershipOf, type RaftState } from '../src/state.ts'
import {
  describeEntries,
  describeEvent,
  describeHeader,
  describeMembership,
  describeMessage,
  describeValues,
} from './describe.ts'
import { StageDisk } from './stage-disk.ts'

interface Waiting {
  readonly from: ReplicaId
  readonly to: ReplicaId
  readonly message: Message
}

/** What was applied goes with the next write: a scene is short, and shows the same after a crash however few entries it has. */
const stageSettings: RaftSettings = { ...defaultSettings, applyFlushEntries: 1 }

/** More turns than any scene needs: a scene that does not come to rest is a mistake of the core's. */
const maxTurns = 10_000

/**
 * A stage for cores: no time, network or disk but what the script says. Messages wait until `deliver` or `settle`, writes until
 * `flush` or `settle`. Each command is answered with one line for each thing that happened.
 */
class Stage {
  readonly #disks = new Map<ReplicaId, StageDisk>()
  readonly #replicas = new Map<ReplicaId, RaftState>()
  readonly #writes = new Map<ReplicaId, Effect & { readonly kind: 'persist' | 'install' }>()
  readonly #sides = new Map<ReplicaId, number>()
  #network: Waiting[] = []
  #lines: string[] = []
  #numbers = 0
  #settings = stageSettings

  /** Runs one line of a script. @throws Error when there is no such command. */
  run(line: string): readonly string[] {
    this.#lines = []
    const [command = '', ...words] = line.split(' ')
    const commands: Readonly<Record<string, () => void>> = {
      batch: () => {
        this.#settings = { ...stageSettings, maxEntriesPerAppend: Number(words[0]) }
      },
      memory: () => {
        this.#settings = { ...this.#settings, entriesInMemory: Number(words[0]) }
      },
      compact: () => this.#compact(words[0] as ReplicaId, Number(words[1]) as LogIndex),
      space: () => this.#space(),
      replicas: () => this.#start(words as ReplicaId[], words as ReplicaId[]),
      join: () => this.#start(words as ReplicaId[], []),
      log: () => this.#writeLog(words[0] as ReplicaId, words.slice(1)),
      tick: () => this.#step(words[0] as ReplicaId, { kind: 'tick', elapsedMs: Number(words[1]), chance: 0 }),
      unreachable: () =>
        this.#step(words[0] as ReplicaId, {
          kind: 'leaderUnreachable',
          leader: words[1] as ReplicaId,
          chance: 0,
        }),
      propose: () => this.#propose(words[0] as ReplicaId, words.slice(1)),
      change: () => this.#change(words[0] as ReplicaId, words[1] ?? '', words[2] as ReplicaId),
      transfer: () =>
        this.#step(words[0] as ReplicaId, {
          kind: 'transferAsked',
          transfer: ++this.#numbers,
          to: words[1] as ReplicaId | undefined,
        }),
      read: () => this.#step(words[0] as ReplicaId, { kind: 'asked', read: ++this.#numbers }),
      stop: () => this.#step(words[0] as ReplicaId, { kind: 'stopped' }),
      deliver: () => this.#deliver(words[0] as ReplicaId | undefined),
      lose: () => this.#lose(words[0] as ReplicaId),
      flush: () => this.#flush(words[0] as ReplicaId),
      settle: () => this.#settle(words as ReplicaId[]),
      crash: () => this.#crash(words[0] as ReplicaId),
      restart: () => this.#restart(words[0] as ReplicaId),
      partition: () => this.#partition(words.join(' ')),
      heal: () => this.#sides.clear(),
      status: () => this.#status(),
      members: () => this.#members(),
    }
    const act = commands[command]
    if (act === undefined)
      throw new Error(`There is no command ${command}: expected ${Object.keys(commands).join(', ')}`)
    act()
    return this.#lines
  }

  #start(ids: readonly ReplicaId[], founders: readonly ReplicaId[]): void {
    for (const id of ids) this.#disks.set(id, new StageDisk(founders))
    for (const id of ids) this.#restart(id)
  }

  /** Puts a log of these terms on a disk, and starts the replica on it; `term=3` first, if its term is above the log's. */
  #writeLog(id: ReplicaId, words: readonly string[]): void {
    const [known, ...rest] = words
    const above = known?.startsWith('term=') === true ? Number(known.slice('term='.length)) : undefined
    const terms = above === undefined ? words : rest
    const entries = terms.map((text, place): Entry => {
      const index = (place + 1) as LogIndex
      return { term: Number(text) as Term, index, kind: 'command', command: Buffer.from(`${text}.${index}`) }
    })
    const term = (above ?? entries.at(-1)?.term ?? 0) as Term
    this.#diskOf(id).writeLog(term, entries)
    this.#restart(id)
  }

  #restart(id: ReplicaId): void {
    const recovered = this.#diskOf(id).start()
    this.#replicas.set(id, createState({ id, settings: this.#settings, chance: 0, ...recovered }))
  }

  #compact(id: ReplicaId, index: LogIndex): void {
    const state = this.#replicas.get(id)
    if (state !== undefined) this.#diskOf(id).compact(index, state)
  }

  #space(): void {
    for (const id of this.#replicas.keys())
      this.#lines.push(`${id} holds [${describeValues(this.#diskOf(id).applied)}]`)
  }

  #crash(id: ReplicaId): void {
    this.#replicas.delete(id)
    this.#writes.delete(id)
  }

  #propose(id: ReplicaId, commands: readonly string[]): void {
    const events = commands.map((text): Event => {
      return { kind: 'proposed', proposal: ++this.#numbers, command: Buffer.from(text) }
    })
    this.#step(id, ...events)
  }

  #change(id: ReplicaId, word: string, replica: ReplicaId): void {
    const kinds: Readonly<Record<string, MembershipChange['kind']>> = {
      add: 'addLearner',
      promote: 'promote',
      remove: 'remove',
    }
    const kind = kinds[word]
    if (kind === undefined) throw new Error(`There is no change ${word}: expected add, promote or remove.`)
    this.#step(id, { kind: 'changeProposed', proposal: ++this.#numbers, change: { kind, replica } })
  }

  /** Every message on its way arrives, or those for one replica; what they cause waits. */
  #deliver(to: ReplicaId | undefined): void {
    const arriving = this.#network.filter((waiting) => to === undefined || waiting.to === to)
    this.#network = this.#network.filter((waiting) => !arriving.includes(waiting))
    for (const waiting of arriving) this.#arrive(waiting)
  }

  #arrive({ from, to, message }: Waiting): void {
    if (!this.#replicas.has(to) || this.#sides.get(from) !== this.#sides.get(to)) {
      this.#lines.push(`${from} → ${to} lost: ${describeMessage(message)}`)
      return
    }
    this.#step(to, { kind: 'received', from, message })
  }

  #lose(to: ReplicaId): void {
    for (const { from, message } of this.#network.filter((waiting) => waiting.to === to)) {
      this.#lines.push(`${from} → ${to} lost: ${describeMessage(message)}`)
    }
    this.#network = this.#network.filter((waiting) => waiting.to !== to)
  }

  #flush(id: ReplicaId): void {
    const write = this.#writes.get(id)
    if (write === undefined) return
    this.#writes.delete(id)
    this.#diskOf(id).flush(write)
    this.#step(id, { kind: 'persisted', write: write.write })
  }

  /** Messages arrive and disks flush until nothing is left to happen; disks named do not flush. */
  #settle(slow: readonly ReplicaId[]): void {
    for (let turns = 0; turns < maxTurns; turns++) {
      const [next, ...rest] = this.#network
      const writer = [...this.#writes.keys()].find((id) => !slow.includes(id))
      if (next !== undefined) {
        this.#network = rest
        this.#arrive(next)
      } else if (writer !== undefined) this.#flush(writer)
      else return
    }
    throw new Error('The scene does not come to rest.')
  }

  #partition(text: string): void {
    for (const [side, ids] of text.split(' | ').entries()) {
      for (const id of ids.split(' ')) this.#sides.set(id as ReplicaId, side)
    }
  }

  #status(): void {
    for (const [id, state] of this.#replicas) {
      const { role, hardState, commitIndex, log } = state
      const terms = log.entries.map(({ term }) => term).join(' ')
      const begin = log.baseIndex === 0 ? '' : `after ${log.baseIndex}:${log.baseTerm} `
      const leader = leaderOf(state) ?? 'nobody'
      this.#lines.push(
        `${id} ${role.kind} term ${hardState.term} leader ${leader} commit ${commitIndex} log ${begin}[${terms}]`,
      )
      if (lastIndexOf(log) < commitIndex) throw new Error(`${id} has committed more than it has`)
    }
  }

  #members(): void {
    for (const [id, state] of this.#replicas)
      this.#lines.push(`${id} counts ${describeMembership(membershipOf(state))}`)
  }

  #step(id: ReplicaId, ...events: readonly Event[]): void {
    const state = this.#replicas.get(id)
    if (state === undefined) return
    const before = state.role.kind
    const effects = this.#advance(id, state, events)
    if (state.role.kind !== before) {
      this.#lines.push(`${id} ${before} becomes ${state.role.kind} in term ${state.hardState.term}`)
    }
    for (const effect of effects) this.#perform(id, effect)
  }

  /** A store that cannot be trusted stops its replica. */
  #advance(id: ReplicaId, state: RaftState, events: readonly Event[]): readonly Effect[] {
    try {
      return step(state, events)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      this.#lines.push(`${id} stops, ${error.code}: ${error.message}`)
      this.#crash(id)
      return []
    }
  }

  #perform(id: ReplicaId, effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#network.push({ from: id, to: effect.to, message: effect.message })
        this.#lines.push(`${id} → ${effect.to} ${describeMessage(effect.message)}`)
        return
      case 'persist':
        this.#writes.set(id, effect)
        this.#lines.push(
          `${id} writes term ${effect.hardState.term} vote ${effect.hardState.votedFor ?? 'none'} [${describeEntries(effect.entries)}]` +
            (effect.chunk === undefined ? '' : ` and stages [${describeValues(effect.chunk.values)}]`),
        )
        return
      case 'install':
        this.#writes.set(id, effect)
        this.#lines.push(`${id} installs ${describeHeader(effect.header)}`)
        return
      case 'apply':
        this.#diskOf(id).apply(effect.entries)
        this.#lines.push(`${id} applies [${describeEntries(effect.entries)}]`)
        return
      case 'proposalTaken':
        this.#lines.push(`${id} takes proposal ${effect.proposal} as entry ${effect.index}`)
        return
      case 'proposalRefused':
        this.#lines.push(`${id} refuses proposal ${effect.proposal}: ${effect.why}`)
        return
      case 'changeTaken':
        this.#lines.push(`${id} takes change ${effect.proposal} as entry ${effect.index}`)
        return
      case 'changeRefused':
        this.#lines.push(`${id} refuses change ${effect.proposal}: ${effect.why}`)
        return
      case 'transferEnded':
        this.#lines.push(`${id} ends transfer ${effect.transfer}: ${effect.outcome}`)
        return
      case 'readConfirmed':
        this.#lines.push(`${id} confirms read ${effect.read}`)
        return
      case 'readRefused':
        this.#lines.push(`${id} refuses read ${effect.read}: ${effect.why}`)
        return
      case 'proposalsUncertain':
        this.#lines.push(`${id} knows no longer what becomes of its proposals`)
        return
      case 'notice':
        this.#note(id, effect.event)
        return
      case 'load':
        this.#step(id, this.#diskOf(id).load(effect))
        return
      case 'readSnapshot': {
        const state = this.#replicas.get(id)
        if (state !== undefined) this.#step(id, this.#diskOf(id).readSnapshot(effect, state))
        return
      }
      case 'releaseSnapshot':
        this.#diskOf(id).releaseSnapshot(effect.to)
        return
    }
  }

  #note(id: ReplicaId, event: RaftEvent): void {
    const what = describeEvent(event)
    if (what !== undefined) this.#lines.push(`${id} ${what}`)
  }

  #diskOf(id: ReplicaId): StageDisk {
    const disk = this.#disks.get(id)
    if (disk === undefined) throw new Error(`There is no replica ${id}.`)
    return disk
  }
}

/** Plays a transcript's commands, the lines that begin with `> `; returns the transcript with what happens now. */
export function play(transcript: string): string {
  const stage = new Stage()
  const played: string[] = []
  for (const line of transcript.trimEnd().split('\n')) {
    if (line.startsWith('#') || line === '') played.push(line)
    else if (line.startsWith('> ')) {
      played.push(line)
      for (const happened of stage.run(line.slice(2))) played.push(`    ${happened}`)
    }
  }
  return `${played.join('\n')}\n`
}
