#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { systemRandom } from '@verdict/runtime'
import { withAsker } from './connection.ts'
import { runProgram } from './program.ts'
import { processTerminal } from './terminal.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

process.exitCode = await runProgram(process.argv.slice(2), version, {
  terminal: processTerminal,
  wallMs: () => Date.now(),
  random: systemRandom,
  withAsker,
})
