/**
 * Makes the pictures of docs/tracing.md: places orders in the shop and photographs the pages that a trace backend shows of them. Needs
 * Chromium, which npm does not bring: CHROMIUM names it where it is not on PATH.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { Shop } from '../../infra/shop/shop.ts'
import { type Trace, TraceBackend } from '../../infra/traces/backend.ts'
import { committed, recovered, refused, traceOf } from './stories.ts'
import { until } from './until.ts'

const folder = join(import.meta.dirname, '..', '..', 'docs', 'pictures')
const programs = ['chromium', 'chromium-browser', 'google-chrome']
// Nothing but the page is loaded, and nobody is asked for anything.
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const widthPixels = 1_200
const menuPixels = 262 // left of the picture
const headPixels = 240 // of the page, above and below the rows
const rowPixels = 40
/** The page cuts the names of nested spans off; all its parts lie in a shadow root. */
const widenNames = `
  for (const { shadowRoot } of document.querySelectorAll('*'))
    shadowRoot?.append(Object.assign(document.createElement('style'), { textContent: '.w-\\\\[200px\\\\] { width: 330px }' }))
`

const program = findChromium()
if (program === undefined) {
  console.log(
    'There is no Chromium here, so no pictures: install one (Debian: apt install chromium), or let CHROMIUM name it.',
  )
} else {
  mkdirSync(folder, { recursive: true })
  await takePictures(program)
}

function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((path) => path !== '')
  const known = folders.flatMap((path) => programs.map((name) => join(path, name)))
  return [process.env['CHROMIUM'], ...known].find((path) => path !== undefined && existsSync(path))
}

async function takePictures(executablePath: string): Promise<void> {
  await using backend = await TraceBackend.start()
  await using shop = await Shop.start({
    preload: join(import.meta.dirname, 'crash-points.ts'),
    environment: backend.environment,
  })
  await using browser = await chromium.launch({ executablePath, args: flags })
  await committed(shop) // the first one opens connections, and is no picture of the others
  for (const story of [committed, refused, recovered]) {
    const id = await story(shop)
    const trace = await until(() => traceOf(backend, id))
    await photograph(browser, backend, trace, story.name)
  }
}

async function photograph(
  browser: Browser,
  backend: TraceBackend,
  { traceId, spans }: Trace,
  name: string,
): Promise<void> {
  const height = headPixels + spans.length * rowPixels
  const page = await browser.newPage({ viewport: { width: menuPixels + widthPixels, height } })
  await page.goto(backend.pageOf(traceId))
  await page.getByText('Span Name').waitFor()
  await page.evaluate(widenNames)
  const path = join(folder, `trace-${name}.png`)
  await page.screenshot({ path, clip: { x: menuPixels, y: 0, width: widthPixels, height } })
  await page.close()
  console.log(path)
}
