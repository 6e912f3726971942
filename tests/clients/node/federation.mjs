/**
 * Chromium, the keyboard and no scripts on the way through customers' own providers, which ask nothing: the sign-in page
 * and its buttons, the page on the way, /me, links and their end, trials, and the pages that say why nobody came through.
 *
 *     node federation.mjs [FOLDER]
 *
 * puts pictures of every page into FOLDER, if one is given. FEDERATION says, in JSON, what there is;
 * tests/clients/README.md lists its members.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { signInByKeyboard } from './keyboard.mjs';
import { Chromium } from './real_browser.mjs';
import { issuer } from './relying_party.mjs';
import { json, report, required, step } from './report.mjs';

const there = json('FEDERATION');
const seen = [];

async function look(visitor, name) {
  seen.push(name);
  await visitor.look(name);
}

/** A provider answers "204 No Content" meanwhile, so the page on the way to it stays where it is. */
async function held(visitor, run) {
  const isAway = (url) => url.origin !== new URL(issuer).origin;
  await visitor.page.route(isAway, (route) => route.fulfill({ status: 204 }));
  try {
    await run();
  } finally {
    await visitor.page.unroute(isAway);
  }
}

/** Presses a button that leads to a provider, and stops at the page on the way, to look at it; its link leads on. */
async function stopsOnTheWay(visitor, button, name = undefined) {
  await held(visitor, async () => {
    await visitor.press(button);
    assert.equal(visitor.status, 200);
    assert.ok(await visitor.has('#upstream-go'), `not on the way to a provider: ${await visitor.text()}`);
    const [refresh, link] = await visitor.page.evaluate(() => [
      document.querySelector('meta[http-equiv="refresh"]').content,
      document.querySelector('#upstream-go').getAttribute('href'),
    ]);
    assert.equal(refresh, `0; url=${link}`);
    if (name) await look(visitor, name);
  });
}

/** Waits for the address at the end of a way that nobody has to press anything on. */
async function ends(visitor, path) {
  await visitor.page.waitForURL((url) => url.href === `${issuer}${path}`);
}

async function comesThrough(chromium) {
  const { slug, connection, name } = there.optional;
  const visitor = await chromium.person('somebody at an optional provider', { scripts: false });
  const button = `#continue-${connection}`;
  await visitor.open(`${issuer}/o/${slug}/login`);
  await visitor.tabTo(button);
  assert.match(await visitor.text(), new RegExp(`Continue with ${name}`));
  await look(visitor, 'sign-in-offers');
  await stopsOnTheWay(visitor, button, 'way');
  await visitor.press('#upstream-go');
  await ends(visitor, '/me');
  await look(visitor, 'me-through');
  await visitor.press('#to-identities');
  assert.ok(await visitor.has('#identities-locked'), await visitor.text());
  await look(visitor, 'identities-through');

  const other = await chromium.person('somebody who only presses the button', { scripts: false });
  await other.open(`${issuer}/o/${slug}/login`);
  await other.press(button);
  await ends(other, '/me');
}

async function comesThroughByForce(chromium) {
  const { slug, connection, address } = there.enforced;
  const visitor = await chromium.person('somebody at an enforced provider', { scripts: false });
  await visitor.open(`${issuer}/o/${slug}/login`);
  await ends(visitor, '/me');
  const other = await chromium.person('somebody who types an address', { scripts: false });
  await other.open(`${issuer}/login`);
  await other.fill('#username', 'nobody@nowhere.test');
  await other.press('#login-discover');
  assert.ok(await other.has('#error'), await other.text());
  await look(other, 'sign-in-nowhere');
  await other.fill('#username', address);
  await stopsOnTheWay(other, '#login-discover');
  await other.press('#with-password');
  assert.ok(await other.has('#login-form'), await other.text());
  await other.open(`${issuer}/o/${slug}/login?local=1`);
  await look(other, 'sign-in-local');
  await other.press(`#continue-${connection}`);
  await ends(other, '/me');
}

async function comesForAnApplication(chromium) {
  const visitor = await chromium.person('somebody on the way to an application', { scripts: false });
  await visitor.open(there.application);
  await look(visitor, 'sign-in-application');
  await stopsOnTheWay(visitor, `#continue-${there.optional.connection}`, 'way-application');
  await visitor.press('#with-password');
  assert.ok(await visitor.has('#login-form'), await visitor.text());
}

/** Waits for a page at the end of such a way by what only that page has. */
async function shows(visitor, selector) {
  await visitor.page.locator(selector).waitFor();
  await visitor.page.waitForLoadState();
}

async function isRefused(visitor, word) {
  await shows(visitor, '#error-code');
  assert.equal(await visitor.page.locator('#error-code').innerText(), word);
  await look(visitor, word);
}

/** Each page leads on: to the same provider once more, to the sign-in page, or to where it was begun. */
async function refusals(chromium) {
  const visitor = await chromium.person('somebody who is refused', { scripts: false, failures: [502] });
  for (const { slug, connection, word } of there.refusals) {
    await visitor.open(`${issuer}/o/${slug}/login`);
    await visitor.press(`#continue-${connection}`);
    await isRefused(visitor, word);
    if (await visitor.has('#upstream-again')) {
      await visitor.press('#upstream-again');
      await shows(visitor, '#error-code');
    }
    await visitor.press('#with-password');
    assert.ok(await visitor.has('#login-form'), await visitor.text());
  }
  const { connection } = there.optional;
  const nowhere = [
    ['unknown_flow', `/upstream/${connection}/callback?state=ust_unknown&code=unknown`],
    ['closed', `/upstream/${connection}/login?iss=https%3A%2F%2Fanother.test`],
  ];
  for (const [word, path] of nowhere) {
    await visitor.open(`${issuer}${path}`);
    await isRefused(visitor, word);
    await visitor.press('#go-on');
    assert.ok(await visitor.has('#login-form'), await visitor.text());
  }
  return [...there.refusals.map(({ word }) => word), ...nowhere.map(([word]) => word)];
}

async function linksAndUnlinks(chromium) {
  const person = { username: required('USERNAME'), password: required('PASSWORD') };
  const { connection } = there.link;
  const visitor = await chromium.person('somebody who links', { scripts: false });
  const types = (to, password) => visitor.fill(`#password-${to}`, password);
  await visitor.open(`${issuer}/o/${there.link.slug}/login`);
  await signInByKeyboard(visitor, person);
  await visitor.press('#to-identities');
  await look(visitor, 'identities');
  await types(connection, `not ${person.password}`);
  await visitor.press(`#link-${connection}`);
  assert.equal(visitor.status, 400);
  await look(visitor, 'identities-refused');
  await types(connection, person.password);
  await stopsOnTheWay(visitor, `#link-${connection}`, 'way-link');
  await visitor.press('#upstream-go');
  await ends(visitor, '/me/identities?done=linked');
  await look(visitor, 'identities-linked');
  // Whoever that provider lets in is somebody else's already.
  await types(there.optional.connection, person.password);
  await visitor.press(`#link-${there.optional.connection}`);
  await isRefused(visitor, 'link_taken');
  await visitor.press('#go-on');
  await visitor.press('[id^="unlink-"]');
  await ends(visitor, '/me/identities?done=unlinked');
  await look(visitor, 'identities-unlinked');
}

async function triesOut(chromium) {
  const visitor = await chromium.person('an administrator who tries', { scripts: false });
  await visitor.open(there.trials.works);
  await look(visitor, 'trial');
  await stopsOnTheWay(visitor, '#trial-begin');
  await visitor.press('#upstream-go');
  assert.ok(await visitor.has('#tried') && !(await visitor.has('#problems')), await visitor.text());
  await look(visitor, 'tried');
  await visitor.open(there.trials.problems);
  await visitor.press('#trial-begin');
  await shows(visitor, '#problems');
  await look(visitor, 'tried-problems');
  await visitor.open(`${issuer}/upstream/test/nothing`);
  assert.equal(visitor.status, 404);
  await visitor.open(`${issuer}/me`);
  assert.ok(await visitor.has('#login-form'), 'a trial signs nobody in');
}

/** The console's pages of a connection that people come through, as its administrator meets them. */
async function setsUp(chromium) {
  const { slug, connection } = there.optional;
  const visitor = await chromium.person('an administrator of connections', { scripts: false });
  const list = `${issuer}/o/${slug}/admin/identity-providers`;
  await visitor.open(list);
  await signInByKeyboard(visitor, { username: required('ADMIN_USERNAME'), password: required('PASSWORD') });
  const pages = [
    ['providers', ''],
    ['provider', `/${connection}`],
    ['provider-sign-in', `/${connection}/sign-in`],
    ['provider-mapping', `/${connection}/mapping`],
    ['provider-sign-ins', `/${connection}/sign-ins`],
  ];
  for (const [name, path] of pages) {
    await visitor.open(`${list}${path}`);
    assert.equal(visitor.status, 200, path);
    await look(visitor, name);
  }
}

await report(async () => {
  const given = process.argv[2];
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'federation-')));
  const chromium = await Chromium.launch(folder);
  try {
    await step('comes through an optional provider', () => comesThrough(chromium));
    await step('comes through an enforced provider', () => comesThroughByForce(chromium));
    await step('comes on the way to an application', () => comesForAnApplication(chromium));
    const refused = await step('reads why nobody came through', () => refusals(chromium));
    await step('links and unlinks', () => linksAndUnlinks(chromium));
    await step('tries sign-ins out', () => triesOut(chromium));
    await step('sets a connection up', () => setsUp(chromium));
    await step('no page had a fault', async () => assert.deepEqual(await chromium.settled(), []));
    return { client: `Chromium ${chromium.browser.version()}`, refused, pages: seen, pictures: chromium.pictures.length };
  } catch (error) {
    await chromium.explain();
    throw error;
  } finally {
    await chromium.close();
    if (!given) await rm(folder, { recursive: true, force: true });
  }
});
