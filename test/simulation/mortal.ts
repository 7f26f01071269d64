import type { Resource } from '@verdict/participant'

/** What a store does for an instance that may die at it. */
type DeadlyStep = 'prepare' | 'commit' | 'finish' | 'tombstone'

/** Called just before and just after each of them. It does not return when the instance dies of it. */
export type Moment = (what: DeadlyStep, when: 'before' | 'after') => Promise<void>

const deadlySteps: readonly DeadlyStep[] = ['prepare', 'commit', 'finish', 'tombstone']

/** A resource at whose steps an instance may die. */
export function mortal<Session extends object>(resource: Resource<Session>, moment: Moment): Resource<Session> {
  return around(resource, moment, {
    open: async (options) => around(await resource.open(options), moment),
  })
}

/** The same object, but with `instead`, and with `moment` around each deadly step. */
function around<Target extends object>(target: Target, moment: Moment, instead: Partial<Target> = {}): Target {
  return new Proxy(target, {
    get(_, key) {
      const replaced: unknown = Reflect.get(instead, key)
      if (replaced !== undefined) return replaced
      const member: unknown = Reflect.get(target, key, target)
      if (typeof member !== 'function') return member
      const step = deadlySteps.find((name) => name === key)
      if (step === undefined) return member.bind(target)
      return async (...args: unknown[]) => {
        await moment(step, 'before')
        const result: unknown = await Reflect.apply(member, target, args)
        await moment(step, 'after')
        return result
      }
    },
  })
}
