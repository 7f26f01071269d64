import type { ParticipantName } from '@verdict/protocol'
import type { World } from '@verdict/runtime'
import type { ParticipantEvent } from './event.ts'
import type { Metering } from './metering.ts'
import type { AnyOperation } from './operation.ts'
import type { Post } from './post.ts'
import type { Resource, ResourceFacts } from './resource.ts'
import type { ParticipantSettings } from './settings.ts'
import type { Tracing } from './tracing.ts'
import type { Troubles } from './troubles.ts'

/** What all parts of one instance work with. */
export interface Site {
  readonly participant: ParticipantName
  readonly operations: Readonly<Record<string, AnyOperation>>
  readonly resource: Resource<object>
  readonly facts: ResourceFacts
  readonly world: World
  readonly settings: ParticipantSettings
  readonly post: Post
  readonly tracing: Tracing
  readonly metering: Metering
  readonly troubles: Troubles
  /** Counts an event and hands it on. */
  readonly emit: (event: ParticipantEvent) => void
  /** Counts a message that was dropped because the bound of this name was met. */
  readonly dropped: (limit: keyof ParticipantSettings) => void
  /** Whether new branches are refused because the instance stops. */
  readonly isDraining: () => boolean
  /** Said whenever something ended, for whoever waits until all has. */
  readonly changed: () => void
}
