import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { raftMutants } from '../../packages/raft/test/mutants/raft-mutants.ts'
import { modelMutants } from '../model/model-mutants.ts'
import { pathOf } from './mutant.ts'
import { protocolMutants } from './protocol/protocol-mutants.ts'
import { rules } from './protocol/rule.ts'

const root = new URL('../../', import.meta.url)

const mutants = [...raftMutants, ...protocolMutants, ...modelMutants]

test.each(mutants)('what is taken out for "$fault" is there', (mutant) => {
  const whole = readFileSync(fileURLToPath(new URL(pathOf(mutant), root)), 'utf8')
  expect(whole.includes(mutant.code), `${mutant.file} contains the text that is taken out`).toBe(true)
  const mutated = whole.replace(mutant.code, () => mutant.replacement)
  expect(mutated).not.toBe(whole)
  expect(() => stripTypeScriptTypes(mutated)).not.toThrow()
})

test('each rule of the protocol is taken out', () => {
  expect(new Set(protocolMutants.map(({ rule }) => rule))).toEqual(new Set(rules))
})

test('no two mutants are told apart by nothing', () => {
  const names = mutants.map(({ fault }) => fault)
  expect(names).toEqual([...new Set(names)])
})
