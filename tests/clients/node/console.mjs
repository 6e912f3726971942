/** The console's pages and one's own, as an administrator without scripts meets them: each is looked at. */
import assert from 'node:assert/strict';
import { signInByKeyboard } from './keyboard.mjs';
import { issuer } from './relying_party.mjs';
import { step } from './report.mjs';

/** Pages and, where they have a form, the button that the keyboard must reach. */
const own = [
  ['my-password', '/me/password', '#password-submit'],
  ['my-profile', '/me/profile', '#profile-submit'],
  ['my-invitations', '/me/invitations'],
  ['my-security', '/me/security'],
  ['my-totp', '/me/security/totp', '#totp-submit'],
  ['my-sessions', '/me/sessions'],
  ['my-applications', '/me/applications'],
  ['my-keys', '/me/keys'],
  ['my-organisations', '/me/organisations'],
  ['my-access', '/me/access'],
  ['my-activity', '/me/activity'],
];
const administrators = [
  ['people', 'people'],
  ['register', 'people/register', '#register-submit'],
  ['bulk', 'people/bulk', '#bulk-preview'],
  ['invite', 'people/invite', '#invite-review'],
  ['invitations', 'invitations'],
  ['identity-providers', 'identity-providers', '#provider-create'],
];

async function looksAt(visitor, name, path, button) {
  await visitor.open(`${issuer}${path}`);
  assert.equal(visitor.status, 200, path);
  if (button) await visitor.tabTo(button);
  await visitor.look(name);
}

/**
 * @param {import('./real_browser.mjs').Chromium} chromium
 * @param {string} org the organisation's place in addresses
 */
export async function consoleSteps(chromium, org, boss) {
  const visitor = await chromium.person('the administrator at the console', { scripts: false });
  await step('looks at what is there for everybody', () => looksAt(visitor, 'forgot', '/forgot', '#forgot-submit'));
  await step('the console leads to the sign-in and back', async () => {
    await visitor.open(`${issuer}/o/${org}/admin/people`);
    await signInByKeyboard(visitor, boss);
    assert.equal(new URL(visitor.page.url()).pathname, `/o/${org}/admin/people`);
  });
  for (const [name, path, button] of administrators) {
    await step(`looks at ${name}`, () => looksAt(visitor, `console-${name}`, `/o/${org}/admin/${path}`, button));
  }
  for (const [name, path, button] of own) {
    await step(`looks at ${name}`, () => looksAt(visitor, name, path, button));
  }
  return { pages: 1 + administrators.length + own.length };
}
