/**
 * Chromium and a virtual authenticator (the DevTools protocol's WebAuthn domain): a person adds a passkey, signs in with it
 * without a name, and shows it after the password; somebody who must have a factor makes one on the way in; and the pages
 * say what is wrong when it is.
 *
 *     node passkeys.mjs FOLDER
 *
 * puts pictures of every page into FOLDER. The issuer must be `http://localhost:PORT`, or https under a name.
 * tests/clients/README.md lists the settings.
 */
import assert from 'node:assert/strict';
import { signInByKeyboard } from './keyboard.mjs';
import { Chromium } from './real_browser.mjs';
import { report, required, step } from './report.mjs';

const issuer = required('MUSTER_ISSUER');
const person = { username: required('USERNAME'), password: required('PASSWORD') };
const newcomer = { username: required('OTHER_USERNAME'), password: required('PASSWORD') };
const seen = [];

async function look(visitor, name) {
  seen.push(name);
  await visitor.look(name);
}

/** A device of one's own that knows its person: a platform authenticator, as a telephone or a laptop has one. */
class Device {
  static async of(visitor) {
    const made = new Device();
    made.protocol = await visitor.page.context().newCDPSession(visitor.page);
    await made.protocol.send('WebAuthn.enable');
    const options = {
      protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
      automaticPresenceSimulation: true,
    };
    made.id = (await made.protocol.send('WebAuthn.addVirtualAuthenticator', { options })).authenticatorId;
    return made;
  }

  async credentials() {
    return (await this.protocol.send('WebAuthn.getCredentials', { authenticatorId: this.id })).credentials;
  }

  /** Whether it knows its person from now on. */
  verifies(isUserVerified) {
    return this.protocol.send('WebAuthn.setUserVerified', { authenticatorId: this.id, isUserVerified });
  }

  async forget() {
    await this.protocol.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: this.id });
  }
}

async function isAt(visitor, path) {
  await visitor.page.waitForURL(`${issuer}${path}`);
  await visitor.page.waitForLoadState('load');
}

async function signsOut(visitor) {
  await visitor.open(`${issuer}/end_session`);
  await visitor.press('#logout-confirm');
}

async function recoveryCodes(visitor) {
  const codes = await visitor.page.locator('#codes code').allInnerTexts();
  assert.equal(codes.length, 10, await visitor.text());
  assert.ok(codes.every((code) => /^[0-9a-z]{4}(-[0-9a-z]{4}){3}$/.test(code)), codes.join(' '));
  return codes;
}

async function addsPasskey(visitor, device) {
  await visitor.open(`${issuer}/login`);
  await signInByKeyboard(visitor, person);
  await isAt(visitor, '/me');
  await visitor.open(`${issuer}/me/security/passkey`);
  assert.ok(!(await visitor.has('#passkey-none')), 'the page says that there are no passkeys here');
  await look(visitor, 'my-passkey');
  await visitor.fill('#name', 'Laptop of Ana');
  await visitor.press('#passkey-submit');
  await recoveryCodes(visitor);
  await look(visitor, 'my-codes');
  await visitor.press('#codes-done');
  assert.match(await visitor.text(), /Laptop of Ana/);
  await look(visitor, 'my-security');
  const [made, ...others] = await device.credentials();
  assert.equal(others.length, 0);
  assert.equal(made.isResidentCredential, true, 'it is found without a name');
  assert.equal(made.rpId, new URL(issuer).hostname);
  assert.ok(Buffer.from(made.userHandle, 'base64').length === 16, 'its handle is an id, and says nothing');
  return made;
}

/** A device holds one passkey for an account, and says so when it is asked for another. */
async function holdsOne(visitor) {
  await visitor.open(`${issuer}/me/security/passkey`);
  await visitor.tabTo('#passkey-submit');
  await visitor.page.keyboard.press('Enter');
  await visitor.page.waitForSelector('[data-passkey-error]:not([hidden])');
  assert.match(await visitor.text(), /holds a passkey for this account already/);
  await look(visitor, 'my-passkey-held');
}

async function signsInWithoutAName(visitor) {
  await signsOut(visitor);
  await visitor.open(`${issuer}/login`);
  await look(visitor, 'sign-in');
  await visitor.press('#login-passkey'); // the page asks the browser by itself
  await isAt(visitor, '/me');
}

async function showsItAfterThePassword(visitor) {
  await signsOut(visitor);
  await visitor.open(`${issuer}/login`);
  await signInByKeyboard(visitor, person);
  assert.ok(await visitor.has('#use-passkey'), `no passkey is asked for: ${await visitor.text()}`);
  await look(visitor, 'factor');
  await visitor.open(`${issuer}/me`);
  assert.ok(await visitor.has('#login-form'), 'the password alone opened something');
  await signInByKeyboard(visitor, person);
  await visitor.press('#use-passkey');
  await isAt(visitor, '/me');
}

/** An authenticator that does not know its person lets nobody in, and the page says so and asks again. */
async function isNotKnown(visitor, device) {
  await signsOut(visitor);
  await device.verifies(false);
  await visitor.open(`${issuer}/login`);
  await visitor.press('#login-passkey');
  await visitor.page.waitForSelector('[data-passkey-error]:not([hidden])');
  assert.ok(await visitor.has('#passkey-form'), await visitor.text());
  await look(visitor, 'passkey-refused');
  await device.verifies(true);
  await visitor.press('#passkey-submit');
  await isAt(visitor, '/me');
}

/** A passkey that the server doesn't know (any more) signs nobody in. */
async function isRemoved(visitor) {
  await visitor.open(`${issuer}/me/security`);
  await visitor.press('button[id^="remove-pky_"]');
  await visitor.press('#ask-submit');
  assert.match(await visitor.text(), /It.s removed/);
  await signsOut(visitor);
  await visitor.open(`${issuer}/login`);
  await visitor.press('#login-passkey');
  await visitor.page.waitForSelector('#error');
  assert.match(await visitor.text(), /That sign-in didn.t work/);
  await look(visitor, 'passkey-unknown');
  await visitor.press('#passkey-back');
  assert.ok(await visitor.has('#login-form'));
  await signInByKeyboard(visitor, person);
  await isAt(visitor, '/me'); // the last factor is gone, and the password is enough again
}

async function makesOneOnTheWayIn(visitor, device) {
  await visitor.open(`${issuer}/login`);
  await signInByKeyboard(visitor, newcomer);
  assert.ok(await visitor.has('#setup-passkey'), `no factor is asked for: ${await visitor.text()}`);
  await look(visitor, 'factor-setup');
  await visitor.press('#setup-totp');
  await look(visitor, 'factor-totp');
  await visitor.press('#totp-back');
  await visitor.press('#setup-passkey');
  await look(visitor, 'factor-passkey');
  await visitor.press('#passkey-submit');
  await recoveryCodes(visitor);
  await look(visitor, 'factor-codes');
  await visitor.press('#codes-continue');
  await isAt(visitor, '/me');
  assert.equal((await device.credentials()).length, 1);
}

/** Without scripts there are no passkeys, and the page says so and leads back. */
async function hasNoScripts(chromium) {
  const visitor = await chromium.person('somebody without scripts', { scripts: false });
  await visitor.open(`${issuer}/login`);
  await visitor.press('#login-passkey');
  assert.match(await visitor.text(), /needs JavaScript/);
  await look(visitor, 'passkey-without-scripts');
  await visitor.press('#passkey-back');
  assert.ok(await visitor.has('#login-form'));
}

async function stories(chromium) {
  const visitor = await chromium.person('the person', { scripts: true });
  const device = await Device.of(visitor);
  const made = await step('adds a passkey', () => addsPasskey(visitor, device));
  await step('the device holds one for the account', () => holdsOne(visitor));
  await step('signs in without a name', () => signsInWithoutAName(visitor));
  await step('shows it after the password', () => showsItAfterThePassword(visitor));
  await step('a device that does not know its person lets nobody in', () => isNotKnown(visitor, device));
  const [used] = await device.credentials();
  assert.ok(used.signCount > made.signCount, 'the authenticator counted');
  await step('what was removed signs nobody in', () => isRemoved(visitor));
  await device.forget();
  const other = await chromium.person('the newcomer', { scripts: true });
  const theirs = await Device.of(other);
  await step('makes one on the way in', () => makesOneOnTheWayIn(other, theirs));
  await step('the page without scripts says so', () => hasNoScripts(chromium));
  await step('no page had a fault', async () => assert.deepEqual(await chromium.settled(), []));
  return { rp_id: made.rpId, sign_ins: used.signCount - made.signCount, pages: seen.length };
}

await report(async () => {
  const folder = process.argv[2];
  assert.ok(folder, 'usage: node passkeys.mjs FOLDER');
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
