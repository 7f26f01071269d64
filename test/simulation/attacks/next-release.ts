import {
  type Command,
  checkFormat,
  commandCodec,
  commandFormats,
  decisions,
  encodeCommand,
  newestFormat,
  type Release,
  raiseFormat,
} from '@verdict/coordinator/internal'
import type { TransactionId } from '@verdict/protocol'

export const nextFormat: number = newestFormat + 1

/** In the next format each decision has one more field, and what is settled is counted, by a kind of command of its own. */
type NextCommand = Command | { readonly kind: 'settledAndCounted'; readonly ids: readonly TransactionId[] }

const codec = commandCodec<NextCommand>({ ...commandFormats, settledAndCounted: nextFormat }, nextFormat)
const countKey = 'next/settled'

/** The release after this one, as far as a log can tell. */
export const nextRelease: Release = {
  newestFormat: nextFormat,
  encode: (command, format) => codec.encode(format < nextFormat ? command : inNextForm(command), format),
  machine: {
    check: (space) => checkFormat(space, nextFormat),
    apply(space, index, bytes) {
      const command = codec.decode(bytes)
      if (command.kind === 'upgrade') {
        raiseFormat(space, command.to, nextFormat)
        return { kind: 'done' }
      }
      if (command.kind !== 'settledAndCounted')
        return decisions.apply(space, index, encodeCommand(command, newestFormat))
      const [before = 0] = space.get(countKey) ?? []
      space.put(countKey, Uint8Array.of((before + command.ids.length) % 256))
      return decisions.apply(space, index, encodeCommand({ kind: 'settled', ids: command.ids }, newestFormat))
    },
  },
}

/** A release that keeps no rule: it writes its newest forms whatever the group's format is. */
export const hastyRelease: Release = {
  ...nextRelease,
  encode: (command) => codec.encode(command.kind === 'upgrade' ? command : inNextForm(command), nextFormat),
}

function inNextForm(command: Command): NextCommand {
  if (command.kind === 'settled') return { kind: 'settledAndCounted', ids: command.ids }
  if (command.kind !== 'decide') return command
  return { ...command, decision: Object.assign({}, command.decision, { decidedBy: 'next release' }) }
}
