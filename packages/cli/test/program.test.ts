import { expect, test } from 'vitest'
import { FakeGroup } from './fake-group.ts'

test.each([
  ['nothing', []],
  ['an unknown command', ['transactions']],
  ['an unknown option', ['status', '--verbose']],
  ['a missing option', ['group', 'init', '--name', 'main', '--replicas', 'n1']],
  ['a list without a word which', ['txn', 'list']],
  ['a timeout that is none', ['status', '--timeout', 'soon']],
  ['a group that cannot be one', ['status', '--group', 'Main']],
  ['no minutes', ['group', 'init', '--name', 'm', '--replicas', 'n1', '--folder', 'x', '--retention-minutes', '-1']],
  [
    'too few minutes',
    ['group', 'init', '--name', 'm', '--replicas', 'n1', '--folder', 'x', '--retention-minutes', '.1'],
  ],
  ['an even number of replicas', ['group', 'init', '--name', 'main', '--replicas', 'n1,n2', '--folder', 'never-made']],
  ['a manifest that is not there', ['status', '--manifest', 'never-made.json']],
])('%s on the command line ends with 2, and speaks on stderr only', async (_, args) => {
  const { code, out, err } = await new FakeGroup({ leader: 'n1' }).run(...args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).not.toBe('')
})

test('help and version are data', async () => {
  const help = await new FakeGroup().run('status', '--help')
  expect(help).toMatchObject({ code: 0, err: '', out: expect.stringContaining('--manifest <file>') })
  expect(await new FakeGroup().run('--version')).toEqual({ code: 0, err: '', out: '1.2.3\n' })
})
