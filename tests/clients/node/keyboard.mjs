/** What a person does on Muster's sign-in pages with nothing but the keyboard. */
import assert from 'node:assert/strict';

/**
 * From the sign-in page to wherever it leads, consent included.
 * @param {import('./real_browser.mjs').Person} visitor
 * @param {string[]} looks the pages to take pictures of: `sign-in`, `refused` (with a wrong password first), `consent`
 */
export async function signInByKeyboard(visitor, { username, password }, looks = []) {
  assert.ok(await visitor.has('#login-form'), `not on the sign-in page: ${await visitor.text()}`);
  if (looks.includes('sign-in')) await visitor.look('sign-in');
  if (looks.includes('refused')) {
    await typeIn(visitor, username, `not ${password}`);
    assert.ok(await visitor.has('[role="alert"]'), 'a wrong password shows no alert');
    assert.match(await visitor.text(), /That sign-in didn['’]t work/);
    await visitor.look('sign-in-refused');
  }
  await typeIn(visitor, username, password);
  if (await visitor.has('#consent-allow')) {
    if (looks.includes('consent')) await visitor.look('consent');
    await visitor.press('#consent-allow');
  }
  assert.ok(!(await visitor.has('#login-form')), `the sign-in was refused: ${await visitor.text()}`);
}

async function typeIn(visitor, username, password) {
  await visitor.fill('#username', username);
  await visitor.fill('#password', password);
  await visitor.enter();
}
