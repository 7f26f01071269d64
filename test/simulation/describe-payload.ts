import { decodePacket, type Message } from '@verdict/protocol'
import { decodeMessage } from '@verdict/raft/internal'

/** One message in few words, for the trace; ids by the last four characters of their random part. */
export function describePayload(payload: Uint8Array, subject: string): string {
  try {
    if (subject.includes('.raft.'))
      return JSON.stringify(decodeMessage(payload), (key, value) => (key === 'entries' ? value.length : value))
    return describeMessage(decodePacket(payload).message)
  } catch {
    return 'unreadable'
  }
}

function describeMessage(message: Message): string {
  const id = 'id' in message ? ` …${message.id.slice(-4)}` : ''
  switch (message.type) {
    case 'call':
      return `call${id} n=${message.n} ${message.operation}`
    case 'result':
      return `result${id} n=${message.n} ${message.result.kind === 'refused' ? message.result.reason.code : message.result.kind}`
    case 'decided':
      return `decided${id} ${message.answer.kind}`
    case 'loneDecided':
      return `loneDecided${id} ${message.answer.kind}`
    case 'vote':
      return `vote${id} ${message.vote.kind === 'refused' ? `refused ${message.vote.reason.code}` : message.vote.kind}`
    case 'outcome':
      return `outcome${id} ${message.outcome}`
    case 'ack':
      return `ack${id} ${message.applied}`
    case 'hazard':
      return `hazard${id} ${message.kind}`
    case 'operate':
      return `operate${id} ${message.order.kind}`
    case 'operated':
      return `operated …${message.found.id.slice(-4)} ${message.done}`
    case 'inquiry':
      return `inquiry ${message.branches.map((branch) => `…${branch.id.slice(-4)}`).join(' ')}`
    case 'inquiryAnswer':
      return `inquiryAnswer ${message.answers.map((answer) => `…${answer.id.slice(-4)} ${answer.answer}`).join(' ')}`
    case 'sweep':
      return `sweep ${message.rows.map((row) => `…${row.id.slice(-4)}`).join(' ')}`
    case 'sweepAnswer':
      return `sweepAnswer ${message.answers.map((answer) => `…${answer.id.slice(-4)} ${answer.answer}`).join(' ')}`
    case 'announce':
      return `announce epoch ${message.epoch} horizon ${message.horizon}`
    case 'looked':
      return `looked ${message.found.map((found) => `…${found.id.slice(-4)} ${found.kind}`).join(' ')}`
    default:
      return `${message.type}${id}`
  }
}
