/**
 * From an authorization request to the application's door through Muster's own pages, in whatever order the server
 * shows them: sign-in, the choice of an organisation, consent, the form_post page.
 */
import assert from 'node:assert/strict';
import { Arrival } from './plain_browser.mjs';

const MOST_PAGES = 6;

/**
 * @param {import('./plain_browser.mjs').PlainBrowser} browser
 * @param {{username: string, password: string, organization?: string}} person
 * @returns {Promise<{arrival: Arrival, pages: string[]}>} where the answer went, and the pages that were shown
 */
export async function signIn(browser, authorizationUrl, person) {
  const pages = [];
  let page = await browser.open(authorizationUrl);
  while (!(page instanceof Arrival)) {
    assert.equal(page.status, 200, `after ${pages.at(-1) ?? 'the authorization request'}: ${page}`);
    const { name, form, values, button } = whatAPersonDoes(page, person);
    assert.ok(name !== 'sign-in' || !pages.includes(name), `the sign-in was refused: ${page}`);
    assert.ok(pages.push(name) <= MOST_PAGES, `still no answer after ${pages.join(', ')}`);
    page = await browser.submit(page, form, values, button);
  }
  return { arrival: page, pages };
}

function whatAPersonDoes(page, { username, password, organization }) {
  const press = (name, button, values = {}) => ({ name, form: page.formWith(button), values, button });
  if (page.has('login-form')) return press('sign-in', 'login-submit', { username, password });
  if (organization && page.has(`org-${organization}`)) return press('organisation', `org-${organization}`);
  if (page.has('consent-allow')) return press('consent', 'consent-allow');
  if (page.has('form-post')) return press('form_post', 'form-post-continue');
  throw new Error(`a page that was not expected: ${page}`);
}
