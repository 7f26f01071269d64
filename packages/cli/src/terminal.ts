import { styleText } from 'node:util'

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red'

/** Colours a text, or leaves it as it is where nobody would see colours. */
export type Paint = (style: Style, text: string) => string

/** Where a command speaks: data on one stream, everything else on the other. */
export interface Terminal {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** For text that goes to `out`. */
  readonly paint: Paint
}

/** This process's own streams. `NO_COLOR`, `FORCE_COLOR` and a stream that is no terminal are heeded. */
export const processTerminal: Terminal = {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  paint: (style, text) => styleText(style, text, { stream: process.stdout }),
}
