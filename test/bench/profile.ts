import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is read of a profile that `node --cpu-prof` wrote. */
interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

interface CallFrame {
  readonly functionName: string
  readonly url: string
}

/** Of a profile this much is left out: start, first compilation, and what runs before it is warm. */
const coldShare = 0.5

const notBusy: ReadonlySet<string> = new Set(['(idle)', '(program)', '(root)'])

/** OpenTelemetry's packages, and the files of ours that exist for them alone. */
const isTelemetry = /@opentelemetry\/|telemetry|tracing|metering|span\.ts/

/**
 * The share of the busy time of JavaScript, in the warm half of all profiles of a folder, that went into telemetry's own code. It knows
 * nothing of what telemetry makes other code do (collecting garbage, longer messages), and nothing of how busy the machine was.
 */
export function telemetryShare(folder: string): number {
  let busy = 0
  let telemetry = 0
  for (const file of readdirSync(folder)) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile
    const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
    for (let place = Math.ceil(profile.samples.length * coldShare); place < profile.samples.length; place++) {
      const frame = frames.get(profile.samples[place] ?? 0)
      if (frame === undefined || notBusy.has(frame.functionName)) continue
      const micros = profile.timeDeltas[place] ?? 0
      busy += micros
      if (isTelemetry.test(frame.url)) telemetry += micros
    }
  }
  return telemetry / busy
}
