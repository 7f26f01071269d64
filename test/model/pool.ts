/** Plain values by number: the same value, however it came about, has the same number. */
export class Pool<Value> {
  readonly #numbers = new Map<string, number>()
  readonly #values: Value[] = []

  numberOf(value: Value): number {
    const text = canonical(value)
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.#values.length)
    this.#values.push(value)
    return this.#values.length - 1
  }

  /** The value itself, which nobody may change: `structuredClone` it first. */
  at(number: number): Value {
    const value = this.#values[number]
    if (value === undefined) throw new Error(`Broken invariant: no value has the number ${number}.`)
    return value
  }

  get size(): number {
    return this.#values.length
  }
}

/** A text that is the same for equal plain data, in whatever order members and map entries were written. */
function canonical(value: unknown): string {
  if (value === undefined) return 'u'
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Uint8Array) return `<${Buffer.from(value).toString('base64')}>`
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (value instanceof Map) return `m${canonical([...value].toSorted(([a], [b]) => (a < b ? -1 : 1)))}`
  const members = Object.entries(value as object)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${name}:${canonical(member)}`).join()}}`
}
