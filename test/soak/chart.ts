import type { Watched } from './sample.ts'

const width = 720
const panel = { height: 110, left: 96, right: 16, top: 26, bottom: 22 } as const
const header = 44

/** The samples as an SVG: a panel for each gauge, one above the other, each from zero to its largest value. */
export function chart({ title, along, gauges, samples }: Watched): string {
  const height = header + gauges.length * panel.height
  const end = samples.at(-1)?.at ?? 1
  const panels = gauges.map(({ name, unit }, place) => {
    const values = samples.map((sample) => sample.values[place] ?? 0)
    return drawPanel(
      header + place * panel.height,
      name,
      unit,
      samples.map(({ at }) => at / end),
      values,
    )
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">
<title>${escapeText(title)}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${panel.left}" y="20" font-size="14">${escapeText(title)}</text>
<text x="${panel.left}" y="36" fill="#666">from 0 to ${formatCount(end)} ${along}</text>
${panels.join('\n')}
</svg>
`
}

function drawPanel(
  top: number,
  name: string,
  unit: 'bytes' | 'rows',
  along: readonly number[],
  values: readonly number[],
): string {
  const [bottom, ceiling] = [top + panel.height - panel.bottom, top + panel.top]
  const most = Math.max(1, ...values)
  const x = (share: number): string => (panel.left + share * (width - panel.left - panel.right)).toFixed(1)
  const y = (value: number): string => (bottom - (value / most) * (bottom - ceiling)).toFixed(1)
  const points = values.map((value, place) => `${x(along[place] ?? 0)},${y(value)}`).join(' ')
  return `<g><text x="${panel.left}" y="${ceiling - 8}">${escapeText(name)}</text>
<line x1="${x(0)}" y1="${bottom}" x2="${x(1)}" y2="${bottom}" stroke="#999"/>
<line x1="${x(0)}" y1="${ceiling}" x2="${x(1)}" y2="${ceiling}" stroke="#ddd"/>
<text x="${panel.left - 6}" y="${ceiling + 4}" text-anchor="end" fill="#666">${format(most, unit)}</text>
<text x="${panel.left - 6}" y="${bottom + 4}" text-anchor="end" fill="#666">0</text>
<polyline points="${points}" fill="none" stroke="#1f6fb2" stroke-width="1.5"/></g>`
}

/** A value for people: bytes in MiB, rows as they are. */
export function format(value: number, unit: 'bytes' | 'rows'): string {
  return unit === 'bytes' ? `${(value / 1024 / 1024).toFixed(1)} MiB` : formatCount(value)
}

export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
