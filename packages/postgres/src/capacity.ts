import { type ServerSettings, unfit } from './durability.ts'

/** Branches of one instance that may be open or prepared at a time, unless it is configured. */
const defaultCapacity = 64

/** Sessions that end branches. They wait for flushes only, and one flush serves them all. */
export const finishConnections = 8

/** Sessions that look, list and bury. Burying may wait for a row. */
export const lookConnections = 2

// Of the server's prepared transactions one instance takes at most three quarters: the rest is for branches in doubt of instances
// that are gone, which keep their slots until they are ended.
const slotShare = 0.75

const reservedConnections = 10 // superuser_reserved_connections (3), migrations, people who look why it is full

/**
 * How many branches an instance may have: what is configured, or as many as the server has room for.
 * @throws ResourceUnfitError when the configured number does not fit
 */
export function capacityOf(settings: ServerSettings, configured: number | undefined): number {
  const { maxPreparedTransactions, maxConnections } = settings
  const bySlots = Math.max(1, Math.floor(maxPreparedTransactions * slotShare))
  const byConnections = maxConnections - finishConnections - lookConnections - reservedConnections
  const wanted = configured ?? Math.min(defaultCapacity, bySlots, byConnections)
  if (wanted > bySlots) {
    throw unfit(
      `max_prepared_transactions is ${maxPreparedTransactions}, expected at least ${Math.ceil(wanted / slotShare)} for a capacity of ${wanted}. Run ALTER SYSTEM SET max_prepared_transactions = ${Math.ceil(wanted / slotShare)} and restart the server, or lower the option capacity to ${bySlots}.`,
    )
  }
  if (wanted > byConnections || wanted < 1) {
    const enough = Math.max(1, wanted) + maxConnections - byConnections
    throw unfit(
      `max_connections is ${maxConnections}, expected at least ${enough} for a capacity of ${Math.max(1, wanted)}. Run ALTER SYSTEM SET max_connections = ${enough} and restart the server, or set the option capacity to a number from 1 to ${byConnections}.`,
    )
  }
  return wanted
}
