// Opens GraphiQL of a running server in headless Chromium, watches bids arrive, and takes a
// picture; with --journey it also signs in, bids, and watches again. Prints what the browser
// did as JSON: every request, every WebSocket, every console error.
//
//   node web/graphiql/screenshot.mjs --url http://127.0.0.1:8000 \
//     --out docs/images/graphiql-live-bids.png [--events 8] [--dark] [--journey]
//
// With --plan it runs a query beside the panel of plans, and nothing else.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { chromium } from 'playwright-core';

import { findChromium } from './chromium.mjs';

const FLAGS = [
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Nothing but this machine has a name or an address here.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];
const TABS = { watch: 0, auctions: 1, signIn: 2, placeBid: 3 };

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8000' },
    out: { type: 'string' },
    events: { type: 'string', default: '8' },
    timeout: { type: 'string', default: '60' },
    dark: { type: 'boolean', default: false },
    journey: { type: 'boolean', default: false },
    plan: { type: 'boolean', default: false },
  },
});

function listen(context, page) {
  const seen = { requests: [], sockets: [], errors: [], external: [] };
  const note = (list, url) => {
    list.push(url);
    const { protocol, host } = new URL(url);
    const inside = ['data:', 'blob:'].includes(protocol) || host === new URL(options.url).host;
    if (!inside) seen.external.push(url);
  };
  context.on('request', (request) => note(seen.requests, request.url()));
  page.on('websocket', (socket) => note(seen.sockets, socket.url()));
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.errors.push(message.text());
  });
  return seen;
}

const openTab = (page, index) => page.locator(`#graphiql-session-tab-${index}`).click();
const run = (page) => page.locator('.graphiql-execute-button').click();

async function watch(page, events) {
  await openTab(page, TABS.watch);
  await run(page);
  await page.locator('.mela-live li').nth(events - 1).waitFor();
}

async function answer(page, tab, text) {
  await openTab(page, tab);
  await run(page);
  await page.locator('.result-window .view-lines', { hasText: text }).waitFor();
}

/** The documentation pane has root types only when introspection worked. */
async function readDocs(page) {
  const toggle = page.getByRole('button', { name: /Documentation Explorer/ });
  await toggle.first().click();
  await page.locator('.graphiql-doc-explorer', { hasText: 'subscription' }).waitFor();
  await toggle.first().click();
}

/** A header of one's own must reach the server, and must not be kept by the browser. */
async function typeHeader(page) {
  await page.getByRole('button', { name: 'Headers' }).click();
  await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden)').click();
  await page.keyboard.insertText('{"authorization": "Bearer typed-by-hand"}');
}

async function journey(page, events) {
  await readDocs(page);
  await run(page); // Stops the subscription.
  await page.locator('.mela-live', { hasText: 'Stopped' }).waitFor();
  await answer(page, TABS.auctions, '"edges"');
  await answer(page, TABS.signIn, '"accessToken"');
  await page.locator('.mela-session', { hasText: 'Signed in as' }).waitFor();
  await answer(page, TABS.placeBid, 'PlaceBidSuccess');
  await typeHeader(page);
  await run(page);
  await page.locator('.result-window .view-lines', { hasText: 'PlaceBidSuccess' }).waitFor();
  await watch(page, events);
}

/** The panel of plans, open before the run, tells of each load. */
async function readPlan(page) {
  await page.getByRole('button', { name: 'Show Plan' }).click();
  await answer(page, TABS.auctions, '"edges"');
  await page.locator('.mela-plan summary', { hasText: 'one statement by' }).first().waitFor();
  return page.locator('.mela-plan').innerText();
}

async function main() {
  const profile = await mkdtemp(join(tmpdir(), 'mela-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(),
    headless: true,
    chromiumSandbox: process.getuid?.() !== 0, // As root Chromium refuses to start with one.
    args: FLAGS,
    viewport: { width: 1440, height: 860 },
    colorScheme: options.dark ? 'dark' : 'light',
  });
  try {
    context.setDefaultTimeout(Number(options.timeout) * 1000);
    const page = context.pages()[0] ?? (await context.newPage());
    const seen = listen(context, page);
    await page.goto(new URL('/graphql', options.url).href);
    await page.locator('.graphiql-query-editor .view-line').first().waitFor();
    const plan = options.plan ? await readPlan(page) : undefined;
    if (!options.plan) await watch(page, Number(options.events));
    if (options.journey) await journey(page, Number(options.events));
    const rows = await page.locator('.mela-live summary').allInnerTexts();
    const response = await page.locator('.result-window .view-lines').first().innerText();
    if (options.out) await page.screenshot({ path: options.out });
    const stored = await page.evaluate(() => JSON.stringify(localStorage));
    const report = { title: await page.title(), rows, stored, plan, response, ...seen };
    console.log(JSON.stringify(report, null, 2));
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  }
}

await main();
