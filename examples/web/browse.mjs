// Uses the page in headless Chromium as people would, while a second client bids, and takes a
// picture. Prints what was seen as JSON. The page's tests run it; so does who renews its picture.
//
//   node browse.mjs --page http://127.0.0.1:4173/?auction=auc_… --graphql http://127.0.0.1:8000/graphql \
//     --login demo --password … --auction auc_… [--rival TOKEN] [--out page.png] [--dark]
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { findChromium } from '../../web/graphiql/chromium.mjs';

const beside = createRequire(new URL('../../web/graphiql/package.json', import.meta.url));
const { chromium } = beside('playwright-core');

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];
const { values: options } = parseArgs({
  options: {
    page: { type: 'string' },
    graphql: { type: 'string' },
    login: { type: 'string' },
    password: { type: 'string' },
    auction: { type: 'string' },
    rival: { type: 'string' },
    out: { type: 'string' },
    dark: { type: 'boolean', default: false },
  },
});

/** The other client: no browser, another account. Gives the bid's sequence. */
async function rivalBids(maximum) {
  const query = `mutation ($input: PlaceBidInput!) {
    placeBid(input: $input) { __typename ... on PlaceBidSuccess { bid { sequence } } }
  }`;
  const input = { auctionId: options.auction, maximum, idempotencyKey: crypto.randomUUID() };
  const answer = await fetch(options.graphql, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${options.rival}` },
    body: JSON.stringify({ query, variables: { input } }),
  });
  const { data } = await answer.json();
  if (data?.placeBid.__typename !== 'PlaceBidSuccess') throw new Error(JSON.stringify(data));
  return data.placeBid.bid.sequence;
}

const seen = { errors: [], external: [], steps: {} };
const profile = await mkdtemp(join(tmpdir(), 'mela-example-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: findChromium(),
  args: FLAGS,
  viewport: { width: 1180, height: 900 },
  colorScheme: options.dark ? 'dark' : 'light',
});
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(20_000);
  const own = new URL(options.page).host;
  context.on('request', (request) => {
    const { protocol, host } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && host !== own) seen.external.push(request.url());
  });
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') seen.errors.push(message.text());
  });
  const lines = [];
  await page.routeWebSocket(/\/graphql$/, (line) => {
    line.connectToServer();
    lines.push(line);
  });
  const text = (name) => page.locator(`[data-test=${name}]`).innerText();
  const sequences = () =>
    page.locator('.bids li').evaluateAll((all) => all.map((li) => Number(li.dataset.sequence)));

  await page.goto(options.page);
  await page.getByRole('heading', { level: 2, name: /./ }).first().waitFor();
  await page.locator('[data-live=true]').waitFor();
  await page.waitForFunction(() => /\d/.test(document.querySelector('[data-test=watchers]').textContent));
  seen.steps.title = await page.locator('#lot-title').innerText();
  seen.steps.watchers = await text('watchers');

  if (options.rival) {
    const sequence = await rivalBids('20.00');
    await page.locator(`.bids li[data-sequence="${sequence}"]`).waitFor();
    seen.steps.pushed = await sequences();
  }

  await page.getByLabel('Username or e-mail').fill(options.login);
  await page.getByLabel('Password').fill('a wrong one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').filter({ hasText: /./ }).waitFor();
  seen.steps.refused = await page.getByRole('alert').innerText();
  await page.getByLabel('Password').fill(options.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForFunction(() => /\d/.test(document.querySelector('[data-test=available]')?.textContent));
  seen.steps.before = await text('available');

  const bid = page.getByLabel(/The most you would pay/);
  const outcome = async (maximum) => {
    await bid.fill(maximum);
    await bid.press('Enter');
    await page.waitForFunction(
      (before) => {
        const told = document.querySelector('[data-test=outcome]').textContent;
        return told && told !== before && !document.querySelector('form button:disabled');
      },
      seen.steps.outcome ?? '',
    );
    seen.steps.outcome = await text('outcome');
    return seen.steps.outcome;
  };
  seen.steps.words = await outcome('a lot');
  seen.steps.low = await outcome('0.01');
  await page.locator('[data-live=true]').waitFor();
  const maximum = options.rival
    ? '50.00'
    : (Number(await bid.getAttribute('placeholder')) + 25).toFixed(2);
  seen.steps.led = await outcome(maximum);
  await page.waitForFunction(
    (before) => document.querySelector('[data-test=available]').textContent !== before,
    seen.steps.before,
  );
  seen.steps.after = await text('available');
  seen.steps.held = await text('held');
  if (options.out) {
    await page.waitForTimeout(2_000);
    await page.screenshot({ path: options.out });
  }

  if (options.rival) {
    // The line is cut; while the page is away, somebody bids. It comes back where it was.
    for (const line of lines) await line.close({ code: 1012, reason: 'Service restart' });
    const sequence = await rivalBids('70.00');
    await page.locator(`.bids li[data-sequence="${sequence}"]`).waitFor();
    await page.waitForFunction(
      (before) => document.querySelector('[data-test=available]').textContent === before,
      seen.steps.before,
    );
    seen.steps.resumed = await sequences();
    seen.steps.sockets = lines.length;
  }
  process.stdout.write(JSON.stringify(seen));
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
