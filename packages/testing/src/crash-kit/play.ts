import type { Observed } from './observed.ts'
import type { Point } from './point.ts'
import type { Plan } from './probe.ts'
import { Script } from './script.ts'
import type { Stage } from './stage.ts'

/** Plays one point on fresh data. `before` is the picture that the example begins with; undefined at the first trial. */
export async function play(stage: Stage, point: Point, before?: unknown): Promise<Observed> {
  await stage.begin(planOf(point))
  const script = new Script(stage, before, stage.transaction(point.kind === 'lone'))
  switch (point.kind) {
    case 'transaction':
      return script.transaction(point)
    case 'lone':
      return script.lone(point)
    case 'failing':
      return script.transaction({ kind: 'transaction', path: 'called', ending: 'committed' })
    case 'released':
      return script.released()
    case 'late':
      return script.late()
    case 'overtaken':
      return script.overtaken()
    case 'out-of-time':
      return script.outOfTime()
    case 'at-once':
      return script.atOnce()
  }
}

function planOf(point: Point): Plan {
  if (point.kind === 'failing') return { fail: point.statement }
  if (point.kind === 'out-of-time') return { hold: 'statement 1' }
  return 'hold' in point && point.hold !== undefined ? { hold: point.hold } : {}
}
