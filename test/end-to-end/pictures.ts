/**
 * Makes the pictures of docs/tracing.md: places orders in the shop and photographs the pages that a trace backend shows of them. Needs
 * Chromium, which npm does not bring: CHROMIUM names it where it is not on PATH.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Browser, chromium, type Page } from 'playwright-core'
import { Shop } from '../../infra/shop/shop.ts'
import { type Trace, TraceBackend } from '../../infra/traces/backend.ts'
import { committed, recovered, refused, takenUp, takeUpOf, traceOf } from './stories.ts'
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
const warmUpOrders = 30
const settleMs = 1_500 // some times as long as a service keeps its spans
const pageWidth = 1_500 // with a menu, which is left out
const barPixels = 32 // above the picture
const paddingPixels = 12 // between its left side and the names
const headPixels = 248 // in it, above and below the rows
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
  // The first ones open connections and load code, and would be no picture of all the others.
  for (let order = 0; order < warmUpOrders; order += 1) await committed(shop)
  for (const story of [committed, refused, recovered]) {
    const id = await story(shop)
    await photograph(browser, backend, await settled(() => traceOf(backend, id)), story.name)
  }
  const id = await takenUp(shop, backend)
  await photograph(browser, backend, await settled(() => takeUpOf(backend, id)), 'taken-up', 'take up')
}

/** The trace once nothing is added to it any more: no service tells which of its spans is the last. */
async function settled(look: () => Promise<Trace | undefined>): Promise<Trace> {
  for (let count = 0; ; ) {
    const { spans, ...trace } = await until(look)
    if (spans.length === count) return { spans, ...trace }
    count = spans.length
    await sleep(settleMs)
  }
}

/** Its page, with the links of the span that `linked` names beside it. */
async function photograph(
  browser: Browser,
  backend: TraceBackend,
  { traceId, spans }: Trace,
  name: string,
  linked?: string,
): Promise<void> {
  const known = new Set(spans.map(({ spanId }) => spanId))
  const missing = spans.filter(({ parentSpanId }) => parentSpanId !== undefined && !known.has(parentSpanId))
  const height = headPixels + (spans.length + missing.length) * rowPixels
  const page = await browser.newPage({ viewport: { width: pageWidth, height: barPixels + height } })
  await page.goto(backend.pageOf(traceId))
  const corner = page.getByText('Span Name')
  await corner.waitFor()
  await page.getByText('512.0 MB').waitFor() // the menu is as wide as what it says of the backend's memory
  await page.evaluate(widenNames)
  if (linked !== undefined) await showLinks(page, linked)
  const left = ((await corner.boundingBox())?.x ?? 0) - paddingPixels
  const path = join(folder, `trace-${name}.png`)
  await page.screenshot({ path, clip: { x: left, y: barPixels, width: pageWidth - left, height } })
  await page.close()
  console.log(path)
}

/** Opens what is told of a span, and of that only the links. */
async function showLinks(page: Page, span: string): Promise<void> {
  await page.getByText(span, { exact: true }).last().click()
  for (const section of ['Timing', /^Attributes \(/, /^Links \(/]) await page.getByText(section).last().click()
}
