import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { play } from './transcript.ts'

// RAFT_REWRITE=1 writes down what happens now. Read the difference before you commit it: it is what the test is about.
const isRewriting = process.env['RAFT_REWRITE'] === '1'
const folder = new URL('transcripts/', import.meta.url)

test.each(readdirSync(folder))('%s', (name) => {
  const file = fileURLToPath(new URL(name, folder))
  const written = readFileSync(file, 'utf8')
  const played = play(written)
  if (isRewriting) writeFileSync(file, played)
  else expect(played).toBe(written)
})
