// Runs a command of this workspace on any machine that has Node 18 or newer and npm:
//   node infra/bootstrap.mjs vitest run
// What is missing (Node as `engines` wants it, pnpm as `packageManager` pins it) comes from the npm registry into
// .tools/; then pnpm brings the workspace up to date. Plain JavaScript, since an old Node must be able to read it.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const tools = join(root, '.tools')
const shell = process.platform === 'win32'
const { engines, packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const wanted = engines.node.match(/\d+/g).map(Number)
const present = process.versions.node.split('.').map(Number)
const nodeIsOld = present[0] < wanted[0] || (present[0] === wanted[0] && present[1] < wanted[1])

function fail(message) {
  console.error(`bootstrap: ${message}`)
  process.exit(1)
}

/** Installs one npm package under .tools/ (once, atomically) and returns the folder of its commands. */
function tool(spec, wayOut) {
  const home = join(tools, spec.replace(/\W+/g, '-'))
  const bin = join(home, 'node_modules', '.bin')
  if (existsSync(bin)) return bin
  console.error(`bootstrap: fetching ${spec} from the npm registry`)
  mkdirSync(tools, { recursive: true })
  const draft = mkdtempSync(join(tools, 'draft-'))
  const flags = ['--prefix', '.', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--no-update-notifier']
  const { status, error } = spawnSync('npm', ['install', '--loglevel=error', ...flags, spec], {
    cwd: draft,
    stdio: ['ignore', 'ignore', 2],
    shell,
  })
  if (status !== 0) {
    rmSync(draft, { recursive: true })
    const cause = error ? `npm could not be started: ${error.message}` : 'npm says why above'
    fail(`${spec} could not be installed (${cause}). ${wayOut}`)
  }
  try {
    renameSync(draft, home)
  } catch (error) {
    rmSync(draft, { recursive: true })
    if (!existsSync(bin)) throw error // else another bootstrap was quicker
  }
  return bin
}

// The npm package `node` runs a nested `npm install` in a script; the platform packages behind it need no script.
const os =
  { win32: 'win', darwin: process.arch === 'arm64' ? 'bin-darwin' : 'darwin' }[process.platform] ?? process.platform
const pnpm = tool(packageManager, 'Is the npm registry reachable (`npm ping`)?')
// The native binary first: with npm's install scripts switched off, .bin/pnpm is a slow stand-in for it.
const path = [join(pnpm, '..', '@pnpm', `exe.${process.platform}-${process.arch}`), pnpm]
if (nodeIsOld) {
  path.unshift(tool(`node-${os}-${process.arch}@${wanted[0]}`, `Or run this with Node ${engines.node} installed.`))
}
process.env.PATH = [...path, process.env.PATH].join(delimiter)

// Next to no work when all is there (0.1 s); under CI=true pnpm refuses to change the lockfile.
if (!existsSync(join(root, 'node_modules'))) console.error('bootstrap: installing the workspace')
const install = spawnSync('pnpm', ['install', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2], shell })
if (install.status !== 0) fail('pnpm install failed; its reason stands above. Nothing was run.')

const child = spawn('pnpm', ['exec', ...process.argv.slice(2)], { cwd: root, stdio: 'inherit', shell })
process.on('SIGINT', () => {}) // a terminal sends it to the child too
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})
