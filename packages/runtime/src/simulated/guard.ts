import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'

/** Puts one thing back as it was. */
type Restore = () => void

/**
 * Makes the real clock, timers and randomness throw, so that nothing in a simulation can depend on them unseen. Returns what
 * puts them back.
 */
export function forbidTheRealWorld(): Restore {
  const restores: Restore[] = []
  const forbid = (holder: object, names: readonly string[], instead: string): void => {
    for (const name of names) {
      const before = Object.getOwnPropertyDescriptor(holder, name)
      const forbidden = (): never => {
        throw new Error(
          `${name} was used while a simulation runs, where only its seed decides. Use ${instead} instead.`,
        )
      }
      Object.defineProperty(holder, name, { value: forbidden, configurable: true, writable: true })
      restores.push(() => {
        if (before === undefined) Reflect.deleteProperty(holder, name)
        else Object.defineProperty(holder, name, before)
      })
    }
  }
  forbid(Date, ['now'], "the world's clock")
  forbid(performance, ['now'], "the world's clock")
  forbid(globalThis, ['setTimeout', 'setInterval', 'setImmediate'], "the world's clock.after")
  forbid(Math, ['random'], "the world's random")
  forbid(globalThis.crypto, ['randomUUID', 'getRandomValues'], "the world's random")
  forbid(crypto, ['randomUUID', 'randomBytes', 'randomInt'], "the world's random")
  restores.push(forbidNewDate())
  syncBuiltinESMExports()
  return () => {
    for (const restore of restores.reverse()) restore()
    syncBuiltinESMExports()
  }
}

/** `new Date()` reads the clock too; `new Date(milliseconds)` does not and stays allowed. */
function forbidNewDate(): Restore {
  const RealDate = globalThis.Date
  globalThis.Date = new Proxy(RealDate, {
    construct(target, args, newTarget) {
      if (args.length > 0) return Reflect.construct(target, args, newTarget)
      throw new Error(
        "new Date() was used while a simulation runs, where only its seed decides. Use the world's clock instead.",
      )
    },
  })
  return () => {
    globalThis.Date = RealDate
  }
}
