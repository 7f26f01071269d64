import { otherLabel } from './names.ts'

/** Names are chosen by whoever deploys participants, and more of them than this say nothing in one chart; each is a series for ever. */
export const maxLabelValues = 100

/** Values of one attribute of a metric: the first ones are kept, later ones become one, so that series stay bounded. */
export class BoundedLabel {
  readonly #known = new Set<string>()

  label(value: string): string {
    if (this.#known.has(value)) return value
    if (this.#known.size >= maxLabelValues) return otherLabel
    this.#known.add(value)
    return value
  }
}
