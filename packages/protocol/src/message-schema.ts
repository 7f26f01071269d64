import { z } from 'zod'
import { clientMessages } from './client-message-schema.ts'
import { groupMessages } from './group-message-schema.ts'
import type { Message } from './message.ts'

/** Every message, as it must be to be used. */
export const message: z.ZodType<Message> = z.discriminatedUnion('type', [...clientMessages, ...groupMessages])
