import { readFileSync } from 'node:fs'

/** One line of an order file. */
export interface Order {
  readonly orderId: string
  readonly customer: string
  readonly sku: string
  readonly quantity: number
  readonly cents: number
}

/** An order file cannot be used. */
export class OrderFileError extends Error {
  override readonly name = 'OrderFileError'
}

/**
 * Reads a file with one order as JSON a line.
 * @throws OrderFileError that names the line, what was found and what was expected.
 */
export function readOrders(path: string): Order[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new OrderFileError(`Cannot read the order file ${path}: ${String(cause)}`, { cause })
  }
  const orders = text
    .split('\n')
    .flatMap((line, position) => (line.trim() === '' ? [] : [parseOrder(line, `${path}, line ${position + 1}`)]))
  if (orders.length === 0)
    throw new OrderFileError(`The order file ${path} has no orders: expected one JSON object a line.`)
  const ids = new Set<string>()
  for (const { orderId } of orders) {
    if (ids.has(orderId))
      throw new OrderFileError(`${path} has the order ${orderId} twice: each needs an orderId of its own.`)
    ids.add(orderId)
  }
  return orders
}

function parseOrder(line: string, place: string): Order {
  const shape =
    '{"orderId": text, "customer": text, "sku": text, "quantity": whole number > 0, "cents": whole number > 0}'
  const bad = (found: string): OrderFileError => new OrderFileError(`${place}: ${found}. Expected ${shape}.`)
  let value: Partial<Record<keyof Order, unknown>> | null
  try {
    value = JSON.parse(line)
  } catch {
    throw bad('this is not JSON')
  }
  const { orderId, customer, sku, quantity, cents } = value ?? {}
  const isText = (field: unknown): field is string => typeof field === 'string' && field !== ''
  const isCount = (field: unknown): field is number => Number.isSafeInteger(field) && Number(field) > 0
  if (!isText(orderId) || !isText(customer) || !isText(sku)) throw bad('orderId, customer or sku is missing')
  if (!isCount(quantity) || !isCount(cents)) throw bad('quantity or cents is not a whole number above 0')
  return { orderId, customer, sku, quantity, cents }
}
