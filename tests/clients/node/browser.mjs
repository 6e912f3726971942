/**
 * Chromium, the keyboard and no scripts: a person signs in to the demo shop and sees her roles; an administrator at
 * another screen takes one away; she reloads and is signed out. Then form_post with and without scripts.
 *
 *     node browser.mjs FOLDER
 *
 * puts pictures of every page into FOLDER. The shop's part runs if SHOP_URL is set, form_post's if CLIENT_ID is, the
 * console's if CONSOLE_ORG is;
 * tests/clients/README.md lists the settings.
 */
import assert from 'node:assert/strict';
import { consoleSteps } from './console.mjs';
import { formPostSteps } from './form_post.mjs';
import { signInByKeyboard } from './keyboard.mjs';
import { Chromium } from './real_browser.mjs';
import { issuer } from './relying_party.mjs';
import { json, optional, report, required, step } from './report.mjs';

const shop = optional('SHOP_URL')?.replace(/\/$/, '');
const person = { username: required('USERNAME'), password: required('PASSWORD') };
const MOST_MILLIS = 5_000; // from the administrator's answer to "signed out" at the shop; the promise is 250 ms at p99

const sorted = (roles) => [...roles].sort();

async function enterShop(visitor, who, looks) {
  await visitor.open(`${shop}/`);
  if (looks.includes('shop')) await visitor.look('shop-welcome');
  await visitor.press('#sign-in');
  await signInByKeyboard(visitor, who, looks);
  assert.ok(await visitor.has('#who'), `not signed in at the shop: ${await visitor.text()}`);
  await visitor.press('#still'); // the page reloads itself otherwise
}

/** The roles as the shop's page shows them: what an application got to know. */
async function seesRoles(visitor) {
  const shown = await visitor.page.evaluate(() => {
    const badges = (element) => [...element.querySelectorAll('.badge')].map((badge) => badge.textContent.trim());
    const projects = [...document.querySelectorAll('dl.facts > div')].filter((line) => line.querySelector('.badge.project'));
    return {
      org: badges(document.querySelector('#org-roles')),
      projects: Object.fromEntries(projects.map((line) => [line.querySelector('dt code').textContent, badges(line)])),
    };
  });
  const [org, projects] = [json('EXPECT_ORG_ROLES'), json('EXPECT_PROJECT_ROLES')];
  if (org) assert.deepEqual(sorted(shown.org), sorted(org), 'the roles in the organisation');
  if (projects) {
    assert.deepEqual(Object.keys(shown.projects).sort(), Object.keys(projects).sort(), 'the projects');
    for (const [key, roles] of Object.entries(projects)) assert.deepEqual(sorted(shown.projects[key]), sorted(roles), `the roles in ${key}`);
  }
  return { org_roles: shown.org, project_roles: shown.projects };
}

/** The button of the row that TAKE_ROLE and TAKE_FROM name on the roles board. `act` is `take` or `give`. */
async function boardButton(admin, act) {
  const row = [required('TAKE_FROM'), required('TAKE_ROLE')];
  const at = await admin.page.evaluate(([holder, role]) => {
    const rows = [...document.querySelectorAll('#board tbody tr')];
    return rows.findIndex((line) => line.querySelector('th').innerText.trim() === holder && line.querySelector('.badge').innerText.trim() === role);
  }, row);
  assert.ok(at >= 0, `no row ${row.join(', ')} on the roles board: ${await admin.text()}`);
  return `#board tbody tr:nth-child(${at + 1}) button[value="${act}"]`;
}

async function changesRole(admin, act) {
  await admin.press(await boardButton(admin, act));
  assert.ok(await admin.has('#receipt'), `no receipt: ${await admin.text()}`);
  return performance.now();
}

async function takesAway(admin) {
  await admin.press('#roles');
  await admin.look('roles-board');
  return changesRole(admin, 'take');
}

/** Reloads, and does nothing else, until the shop says that the sign-in is over. */
async function isSignedOut(visitor, takenAt) {
  for (let reloads = 1; ; reloads += 1) {
    await visitor.reload();
    const millis = Math.round(performance.now() - takenAt);
    if (await visitor.has('#ended')) return { reloads, signed_out_after_ms: millis };
    assert.ok(millis < MOST_MILLIS, `still signed in ${millis} ms after the role was taken away: ${await visitor.text()}`);
  }
}

async function signsInAgain(visitor, admin) {
  await changesRole(admin, 'give');
  await visitor.press('#sign-in'); // her session at Muster is over too, so the sign-in page comes
  await signInByKeyboard(visitor, person);
  return seesRoles(visitor);
}

async function leaves(visitor, admin) {
  await visitor.open(`${issuer}/me`);
  assert.equal(visitor.status, 200);
  await visitor.look('me');
  await visitor.open(`${shop}/?still=1`);
  await visitor.press('#sign-out');
  if (await visitor.has('#logout-confirm')) await visitor.press('#logout-confirm');
  assert.match(await visitor.text(), /You are signed out/);
  await visitor.look('shop-signed-out');
  await admin.open(`${issuer}/end_session`);
  await admin.look('sign-out');
  await admin.press('#logout-confirm');
  assert.match(await admin.text(), /You have been signed out/);
  await admin.look('signed-out');
}

async function isToldOfABadRequest(visitor) {
  await visitor.open(`${issuer}/authorize?response_type=code&client_id=nobody&redirect_uri=https%3A%2F%2Fexample.test%2F`);
  assert.equal(visitor.status, 400);
  assert.equal(await visitor.page.locator('h1').innerText(), 'Request error');
  await visitor.look('request-error');
}

async function shopSteps(chromium) {
  const visitor = await chromium.person('the person', { scripts: false });
  const admin = await chromium.person('the administrator', { scripts: false });
  await step('signs in by keyboard without scripts', () => enterShop(visitor, person, ['shop', 'sign-in', 'refused', 'consent']));
  const roles = await step('sees her roles at the shop', () => seesRoles(visitor));
  await visitor.look('shop-roles');
  const boss = { username: required('ADMIN_USERNAME'), password: required('ADMIN_PASSWORD') };
  await step('an administrator signs in elsewhere', () => enterShop(admin, boss, []));
  const takenAt = await step('takes a role away', () => takesAway(admin));
  const end = await step('she reloads and is signed out', () => isSignedOut(visitor, takenAt));
  await visitor.look('shop-ended');
  await admin.look('roles-receipt');
  const again = await step('the role is given back and she signs in again', () => signsInAgain(visitor, admin));
  assert.deepEqual(again, roles);
  await step('both sign out', () => leaves(visitor, admin));
  await step('a bad request shows a page', () => isToldOfABadRequest(visitor));
  return { ...roles, ...end };
}

/** The parts that the settings ask for. */
async function stories(chromium) {
  const told = {};
  if (shop) Object.assign(told, { shop: await shopSteps(chromium) });
  if (optional('CLIENT_ID')) Object.assign(told, { form_post: await formPostSteps(chromium, person) });
  const org = optional('CONSOLE_ORG');
  if (org) {
    const boss = { username: required('ADMIN_USERNAME'), password: required('ADMIN_PASSWORD') };
    Object.assign(told, { console: await consoleSteps(chromium, org, boss) });
  }
  await step('no page had a fault', async () => assert.deepEqual(await chromium.settled(), []));
  return told;
}

await report(async () => {
  const folder = process.argv[2];
  assert.ok(folder, 'usage: node browser.mjs FOLDER');
  assert.ok(shop || optional('CLIENT_ID'), 'set SHOP_URL, CLIENT_ID or both in the environment');
  const chromium = await Chromium.launch(folder);
  try {
    const told = await stories(chromium);
    return { client: `Chromium ${chromium.browser.version()}`, ...told, pictures: chromium.pictures.length };
  } catch (error) {
    await chromium.explain();
    throw error;
  } finally {
    await chromium.close();
  }
});
