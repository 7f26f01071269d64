import { type Epoch, type GroupId, maxIdsPerMessage, type SweepAnswer, type TransactionId } from '@verdict/protocol'
import type { Timer } from '@verdict/runtime'
import {
  advanceForgetting,
  type Forgetting,
  type ForgettingEffect,
  type ForgettingEvent,
  forgettingWakeAtMs,
  horizonOf,
  isExpired,
} from './forgetting.ts'
import type { Site } from './site.ts'

/** Drives forgetting: raises the floors of the resource as horizons are heard, and has the rows below them deleted. */
export class Floors {
  readonly #site: Site
  readonly #forgetting: Forgetting = new Map()
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined
  #stopped = false

  /** `floors` are those of the resource at the start. */
  constructor(site: Site, floors: ReadonlyMap<GroupId, Epoch>) {
    this.#site = site
    this.#apply({ kind: 'started', floors })
  }

  /** Whether the id is too old for anything new here (rule R12). */
  isExpired(id: TransactionId): boolean {
    return isExpired(this.#forgetting, id)
  }

  /** Each control message of a group says its horizon. */
  heard(group: GroupId, horizon: Epoch): void {
    if (horizon > horizonOf(this.#forgetting, group)) this.#apply({ kind: 'heard', group, horizon })
  }

  answered(group: GroupId, answers: SweepAnswer['answers']): void {
    this.#apply({ kind: 'answered', group, answers })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.timer.cancel()
  }

  #apply(event: ForgettingEvent): void {
    if (this.#stopped) return
    const { world, settings } = this.#site
    const moment = { nowMs: world.clock.nowMs(), fraction: world.random.fraction() }
    for (const effect of advanceForgetting(this.#forgetting, event, moment, settings)) void this.#perform(effect)
    this.#arm()
  }

  async #perform(effect: ForgettingEffect): Promise<void> {
    const { post, emit } = this.#site
    const { group } = effect
    if (effect.kind === 'sweep') {
      post.sweep(group, effect.rows)
      return
    }
    try {
      this.#apply(await this.#ask(effect))
    } catch (error) {
      emit({ kind: 'failed', what: 'forgetting below the floor', error })
      this.#apply({ kind: 'failed', group })
    }
  }

  async #ask(effect: Exclude<ForgettingEffect, { kind: 'sweep' }>): Promise<ForgettingEvent> {
    const { resource, emit } = this.#site
    const { group } = effect
    switch (effect.kind) {
      case 'raise': {
        const { floor } = effect
        return { kind: 'raised', group, floor, came: await resource.raiseFloor(group, floor) }
      }
      case 'collect': {
        const collected = await resource.collect(group, maxIdsPerMessage, effect.after)
        emit({ kind: 'forgot', group, rows: collected.deleted })
        return { kind: 'collected', group, collected }
      }
      case 'forget':
        await resource.forget(effect.ids)
        emit({ kind: 'forgot', group, rows: effect.ids.length })
        return { kind: 'forgot', group }
    }
  }

  #arm(): void {
    const atMs = forgettingWakeAtMs(this.#forgetting)
    if (this.#timer?.atMs === atMs) return
    this.#timer?.timer.cancel()
    this.#timer = undefined
    if (atMs === undefined) return
    const { clock } = this.#site.world
    const timer = clock.after(atMs - clock.nowMs(), () => {
      this.#timer = undefined
      this.#apply({ kind: 'woke' })
    })
    this.#timer = { atMs, timer }
  }
}
