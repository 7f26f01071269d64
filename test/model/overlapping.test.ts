import { testEach } from './explored.ts'
import { oneShots, overlapping } from './scenarios.ts'

testEach([...oneShots, ...overlapping])
