import { type Tracer, trace } from '@opentelemetry/api'
import type { DecisionRecord, HeldBranch, ParticipantName, TransactionId } from '@verdict/protocol'
import { type Call, Calls } from './calls.ts'
import { CommitTracing } from './commit-tracing.ts'
import { DeliveryTracing } from './delivery-tracing.ts'
import { version } from './version.ts'

/** Makes the spans of one leader. An SDK looks a tracer up by its name whenever it is asked for one: it is asked once. */
export class LeaderTracing {
  readonly calls: Calls
  private readonly tracer: Tracer

  constructor() {
    this.tracer = trace.getTracer('@verdict/coordinator', version)
    this.calls = new Calls(this.tracer)
  }

  /** The spans of a commit that somebody has asked for. */
  commit(id: TransactionId, { context }: Call): CommitTracing {
    return new CommitTracing(this.tracer, id, context)
  }

  /** Those of one that nobody asks for but a participant that holds a branch of it. */
  takenUp(participant: ParticipantName, held: HeldBranch): CommitTracing {
    return CommitTracing.takenUp(this.tracer, participant, held)
  }

  /** Those of an outcome. `by` are those of the commit that decided it just now; undefined when it was found in the store. */
  delivery(record: DecisionRecord, by?: CommitTracing): DeliveryTracing {
    return new DeliveryTracing(this.tracer, record, by?.context)
  }
}
