import { testEach } from './explored.ts'
import { interactiveOnes } from './scenarios.ts'

testEach(interactiveOnes)
