import { participantName } from '@verdict/protocol'
import { lmdb } from '../src/index.ts'

// Owns the store at the path that it is given, prepares nothing, and waits to be killed.
const resource = lmdb({ path: process.argv[2] ?? '', durability: 'weak' })
await resource.start({ participant: participantName('inventory') })
process.stdout.write('owned\n')
setInterval(() => {}, 1000)
