export {
  type HeldLock,
  LockAbandonedError,
  type LockClock,
  type LockMode,
  type LockOwner,
  LockTable,
  LockTimeoutError,
} from './locks.ts'
