export {
  type HeldLock,
  LockAbandonedError,
  type LockClock,
  type LockMode,
  LockTable,
  LockTimeoutError,
} from './locks.ts'
