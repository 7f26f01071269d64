import type { Paint, Style } from './terminal.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** A text, or one with a colour. */
export type Cell = string | { readonly text: string; readonly style: Style }

const gap = '  '

/** Lays rows out under their titles, each column as wide as its widest cell; ends with a line break. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], paint: Paint): string {
  const titles = columns.map(({ title }): Cell => ({ text: title, style: 'bold' }))
  const lines = [titles, ...rows]
  const widths = columns.map((_, place) => Math.max(...lines.map((cells) => textOf(cells[place]).length)))
  const line = (cells: readonly Cell[]): string =>
    columns
      .map(({ align }, place) => {
        const text = textOf(cells[place])
        const padding = ' '.repeat((widths[place] ?? 0) - text.length)
        const painted = paintCell(cells[place], paint)
        if (align === 'right') return `${padding}${painted}`
        return place === columns.length - 1 ? painted : `${painted}${padding}`
      })
      .join(gap)
  return lines.map((cells) => `${line(cells)}\n`).join('')
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '')
}

function paintCell(cell: Cell | undefined, paint: Paint): string {
  return typeof cell === 'object' ? paint(cell.style, cell.text) : (cell ?? '')
}
