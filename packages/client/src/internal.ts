export { type Conclusion, readDecided, readFound } from './answer.ts'
export { type Branches, beginCall, callAnswered, calledBranches, newBranches, openings, poison } from './branches.ts'
export { advanceResending, newResending, type Resending, type ResendTiming } from './resend.ts'
