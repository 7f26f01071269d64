import { SpanKind } from '@opentelemetry/api'
import { DataPointType, type ScopeMetrics } from '@opentelemetry/sdk-metrics'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { methods } from '@verdict/protocol/telemetry'
import { idOf } from './recorded.ts'
import { participants } from './shop.ts'

const protocolMethods: ReadonlySet<string> = new Set(Object.values(methods))

/** What a run emits, and what the reference lists, in the same words: a line for each span, link, event, metric and attribute. */
export class Catalogue {
  readonly #spans = new Map<string, { readonly attributes: Set<string>; readonly events: Set<string> }>()
  readonly #events = new Map<string, Set<string>>()
  readonly #metrics = new Map<string, Set<string>>()
  readonly #links = new Set<string>()

  /** Spans of the users' own are none of ours. */
  addSpans(all: readonly ReadableSpan[]): void {
    const spans = all.filter(({ instrumentationScope }) => instrumentationScope.name.startsWith('@verdict/'))
    const names = new Map(spans.map((span) => [idOf(span), whole(span)]))
    for (const span of spans) {
      const entry = entryOf(this.#spans, `${whole(span)} | ${SpanKind[span.kind]}`, () => ({
        attributes: new Set<string>(),
        events: new Set<string>(),
      }))
      for (const name of Object.keys(span.attributes)) entry.attributes.add(name)
      for (const { name, attributes } of span.events) {
        entry.events.add(name)
        const told = entryOf(this.#events, name, () => new Set<string>())
        for (const key of Object.keys(attributes ?? {})) told.add(key)
      }
      for (const { context } of span.links) {
        const to = names.get(context.spanId)
        if (to !== undefined) this.#links.add(`${whole(span)} | ${to}`)
      }
    }
  }

  addMetrics(scopes: readonly ScopeMetrics[]): void {
    for (const { scope, metrics } of scopes) {
      for (const { descriptor, dataPoints, ...data } of metrics) {
        const instrument = instruments(data)
        const key = `${descriptor.name} | ${packageOf(scope.name)} | ${instrument} | ${descriptor.unit}`
        const labels = entryOf(this.#metrics, key, () => new Set<string>())
        for (const { attributes } of dataPoints) for (const name of Object.keys(attributes)) labels.add(name)
      }
    }
  }

  get spans(): readonly string[] {
    return lines(this.#spans, ({ attributes, events }) => `${listed(attributes)} | ${listed(events)}`)
  }

  get events(): readonly string[] {
    return lines(this.#events, listed)
  }

  get links(): readonly string[] {
    return [...this.#links].toSorted()
  }

  get metrics(): readonly string[] {
    return lines(this.#metrics, listed)
  }

  /** Every attribute of a span, an event or a metric that is Verdict's own or that of a convention. */
  get attributes(): readonly string[] {
    const spans = [...this.#spans.values()].flatMap(({ attributes }) => [...attributes])
    const others = [...this.#events.values(), ...this.#metrics.values()].flatMap((names) => [...names])
    return [...new Set([...spans, ...others])].toSorted()
  }
}

/** The rows of the table below a heading, in the words of a catalogue: the first columns, with the code in them alone. */
export function tableOf(markdown: string, heading: string, columns: number): readonly string[] {
  const section = markdown.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  return rows
    .slice(1)
    .map((row) =>
      row
        .split('|')
        .slice(1, columns + 1)
        .map((cell) =>
          [...cell.matchAll(/`([^`]+)`/g)]
            .map(([, code]) => code ?? '')
            .toSorted()
            .join(', '),
        )
        .join(' | '),
    )
    .toSorted()
}

function whole({ name, instrumentationScope }: ReadableSpan): string {
  return `${pattern(name)} | ${packageOf(instrumentationScope.name)}`
}

/** A name with what a user chose replaced by what it stands for. */
function pattern(name: string): string {
  const [service = '', method] = name.split('/')
  if (method === undefined || !participants.includes(service)) return name
  return `<participant>/${protocolMethods.has(method) ? method : '<operation>'}`
}

function packageOf(scope: string): string {
  return scope.replace('@verdict/', '')
}

function instruments({
  dataPointType,
  ...data
}: {
  readonly dataPointType: DataPointType
  readonly isMonotonic?: boolean
}): string {
  switch (dataPointType) {
    case DataPointType.HISTOGRAM:
    case DataPointType.EXPONENTIAL_HISTOGRAM:
      return 'histogram'
    case DataPointType.GAUGE:
      return 'gauge'
    case DataPointType.SUM:
      return data.isMonotonic ? 'counter' : 'up-down counter'
  }
}

function entryOf<V>(map: Map<string, V>, key: string, make: () => V): V {
  const entry = map.get(key) ?? make()
  map.set(key, entry)
  return entry
}

function listed(names: ReadonlySet<string>): string {
  return [...names].toSorted().join(', ')
}

function lines<V>(map: ReadonlyMap<string, V>, describe: (value: V) => string): readonly string[] {
  return [...map].map(([key, value]) => `${key} | ${describe(value)}`).toSorted()
}
