import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OwnedElsewhereError, Ownership } from '../src/ownership.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'verdict-runtime-'))
  file = join(folder, 'owner')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Takes the file, says so, and keeps it until its input ends. */
const owningProgram = `
  import { Ownership } from '@verdict/runtime'
  const file = process.argv[1]
  try {
    globalThis.kept = new Ownership(file)
    console.log('owned')
    process.stdin.resume()
  } catch (error) {
    console.log(error.code)
  }
`

/** The same under a user who is nobody, since root may write to every file. */
const asNobody = owningProgram.replace('try {', 'try {\n    if (process.getuid() === 0) process.setuid(65534)')

function run(program: string): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  const args = ['--conditions=@verdict/source', '--input-type=module', '--eval', program, file]
  return spawn(process.execPath, args, { cwd: join(import.meta.dirname, '..'), stdio: 'pipe' })
}

test('a second process is refused while the first lives, and may come in when that one was killed', async () => {
  const owner = run(owningProgram)
  const said = text(owner.stderr)
  await once(owner.stdout, 'data')
  expect(() => new Ownership(file)).toThrow(OwnedElsewhereError)
  expect(() => new Ownership(file)).toThrow(`held by process ${owner.pid} on `)
  owner.kill('SIGKILL')
  await once(owner, 'exit')
  expect(await said).toBe('')
  new Ownership(file).release()
})

test('a second owner in the same process is refused until the first releases, however often that one does', () => {
  const first = new Ownership(file)
  expect(() => new Ownership(file)).toThrow(OwnedElsewhereError)
  expect(() => new Ownership(file)).toThrow(`held by process ${process.pid} on `)
  first.release()
  const second = new Ownership(file)
  first.release()
  expect(() => new Ownership(file)).toThrow(`held by process ${process.pid} on `)
  second.release()
})

test('a note that an earlier life left keeps nobody away, and none is left after a release', () => {
  writeFileSync(`${file}.txt`, 'process 1 on this host\n')
  new Ownership(file).release()
  expect(existsSync(`${file}.txt`)).toBe(false)
})

test.skipIf(process.platform === 'win32')('a file that may only be read is nobody’s: many could share it', async () => {
  writeFileSync(file, '')
  chmodSync(file, 0o444)
  chmodSync(folder, 0o777)
  const child = run(asNobody)
  const line = once(child.stdout, 'data')
  expect(String((await line)[0])).toBe('EACCES\n')
  child.kill('SIGKILL')
})

test('warnings of the process are as they were', () => {
  const warning = Object.getOwnPropertyDescriptor(process, 'emitWarning')
  new Ownership(file).release()
  expect(Object.getOwnPropertyDescriptor(process, 'emitWarning')).toEqual(warning)
})
