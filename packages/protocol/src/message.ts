import type {
  Abort,
  Alone,
  Call,
  CallResult,
  Commit,
  Decided,
  Failure,
  Hello,
  LoneDecided,
  Look,
  Looked,
  Operate,
  Operated,
  Release,
  Status,
  StatusReport,
  Upgrade,
  Upgraded,
  Welcome,
} from './client-message.ts'
import type {
  Ack,
  Announce,
  HazardReport,
  Inquiry,
  InquiryAnswer,
  OutcomeMessage,
  Prepare,
  Sweep,
  SweepAnswer,
  TroubleReport,
  VoteMessage,
} from './group-message.ts'

/** Every message of the protocol. Who may send which is said in `subject.ts`; the sender is told by the subject alone. */
export type Message = Request | Answer | Control | Word

/** What a client or tool asks; each is answered on its own inbox under the request's number. */
export type Request = Hello | Call | Release | Alone | Commit | Abort | Look | Status | Operate | Upgrade

/** What answers a request. */
export type Answer =
  | Welcome
  | CallResult
  | LoneDecided
  | Decided
  | Looked
  | StatusReport
  | Operated
  | Upgraded
  | Failure

/** What a group tells participants. */
export type Control = Prepare | OutcomeMessage | InquiryAnswer | SweepAnswer | Announce

/** What a participant tells a group. */
export type Word = VoteMessage | Ack | HazardReport | TroubleReport | Inquiry | Sweep
