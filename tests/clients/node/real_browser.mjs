/**
 * Chromium as a person uses it: the keyboard, with scripts or without, every page looked at in light and dark, narrow
 * and wide. Whatever a page gets wrong on the way (a violated content security policy, an error on the console, a
 * missing asset, a hidden focus, sideways scrolling, a WCAG 2.2 AA rule of axe-core) is kept as a fault.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import { optional } from './report.mjs';

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];
const WIDTHS = { narrow: { width: 320, height: 640 }, wide: { width: 1280, height: 800 } };
const SCHEMES = ['light', 'dark'];
const MOST_TABS = 150;
const AXE_RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

export class Chromium {
  faults = [];
  pictures = [];
  #seen = new Map();

  static async launch(folder) {
    const made = new Chromium();
    made.folder = folder;
    await mkdir(folder, { recursive: true });
    const executablePath = optional('CHROMIUM', '/usr/bin/chromium');
    made.browser = await chromium.launch({ executablePath, args: ARGUMENTS });
    return made;
  }

  /** A person at a screen of their own: nothing is shared with the others. `failures`: statuses from 500 that are due. */
  async person(name, { scripts, failures = [] }) {
    const context = await this.browser.newContext({ javaScriptEnabled: scripts, viewport: WIDTHS.wide, locale: 'en-GB' });
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    this.#watch(name, page, failures);
    return new Person(this, name, page);
  }

  #watch(name, page, failures) {
    const fault = (what) => this.faults.push(`${name} at ${new URL(page.url()).pathname}: ${what}`);
    page.on('pageerror', (error) => fault(`script error: ${error.message}`));
    page.on('console', (message) => {
      // Chromium also logs the status of the page itself; an error page is no fault.
      const ofThePage = message.text().startsWith('Failed to load resource') && message.location().url === page.url();
      if (['error', 'warning'].includes(message.type()) && !ofThePage) fault(message.text().trim());
    });
    page.on('requestfailed', (request) => {
      const reason = request.failure()?.errorText;
      if (reason !== 'net::ERR_ABORTED') fault(`${request.url()} failed: ${reason}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 500 && !failures.includes(response.status())) fault(`${response.url()} answered ${response.status()}`);
    });
  }

  /** Pictures of the page in every scheme and width, and what can be told from its looks. */
  async look(name, page) {
    const count = (this.#seen.get(name) ?? 0) + 1;
    this.#seen.set(name, count);
    const title = count > 1 ? `${name}-${count}` : name;
    const html = await page.content();
    for (const colorScheme of SCHEMES) {
      for (const [width, size] of Object.entries(WIDTHS)) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        await page.setViewportSize(size);
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wider > 0) this.faults.push(`${title} scrolls sideways by ${wider} px at ${size.width} px`);
        const path = join(this.folder, `${title}-${colorScheme}-${width}.png`);
        await page.screenshot({ path, fullPage: true });
        this.pictures.push(path);
      }
      await this.#audit(title, page.url(), html, colorScheme);
    }
    await page.setViewportSize(WIDTHS.wide);
    await page.emulateMedia({ colorScheme: null, reducedMotion: null });
  }

  /** axe-core needs scripts, so it reads a copy of the page in a context of its own; the page's scripts stay out. */
  async #audit(title, url, html, colorScheme) {
    const context = await this.browser.newContext({ colorScheme, viewport: WIDTHS.narrow });
    try {
      const page = await context.newPage();
      // The copy stays, also of a page that goes on by itself.
      const answers = [{ body: html, contentType: 'text/html; charset=utf-8' }];
      await page.route('**/*', (route) => {
        if (route.request().isNavigationRequest()) return route.fulfill(answers.shift() ?? { status: 204 });
        return route.request().resourceType() === 'script' ? route.abort() : route.continue();
      });
      await page.goto(url);
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: { type: 'tag', values } }), AXE_RULES);
      for (const { id, help, nodes } of violations) {
        this.faults.push(`${title} (${colorScheme}): ${id}, ${help}: ${nodes.map((node) => node.target.join(' ')).join('; ')}`);
      }
    } finally {
      await context.close();
    }
  }

  /** All faults, those included that Chromium reports a little after the page has gone. */
  async settled() {
    await setTimeout(300);
    return this.faults;
  }

  /** After a failure: the faults so far on standard error, and a picture of every page as it stands. */
  async explain() {
    for (const fault of await this.settled()) console.error(`fault: ${fault}`);
    for (const [n, page] of this.browser.contexts().flatMap((context) => context.pages()).entries()) {
      await page.screenshot({ path: join(this.folder, `failure-${n + 1}.png`) }).catch(() => undefined);
    }
  }

  close() {
    return this.browser.close();
  }
}

export class Person {
  constructor(chromium, name, page) {
    this.chromium = chromium;
    this.name = name;
    this.page = page;
  }

  async open(url) {
    this.status = (await this.page.goto(url))?.status();
  }

  async reload() {
    this.status = (await this.page.reload())?.status();
  }

  look(name) {
    return this.chromium.look(name, this.page);
  }

  has(selector) {
    return this.page.locator(selector).first().isVisible();
  }

  /** The page's visible text, on one line. */
  async text() {
    return (await this.page.locator('body').innerText()).replace(/\s+/g, ' ').trim();
  }

  /** Moves the focus with the Tab key alone, as far as it must go, and sees that it shows. */
  async tabTo(selector) {
    for (let tabs = 0; tabs <= MOST_TABS; tabs += 1) {
      if (await this.page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) {
        if (tabs > 0) await this.#focusShows(selector);
        return;
      }
      await this.page.keyboard.press('Tab');
    }
    assert.fail(`${this.name} can't reach ${selector} with the Tab key on ${this.page.url()}: ${await this.text()}`);
  }

  async #focusShows(selector) {
    const seen = await this.page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      const box = element.getBoundingClientRect();
      const on = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      return {
        ring: (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== 'none',
        uncovered: on !== null && (element.contains(on) || on.contains(element)),
      };
    });
    if (!seen.ring) this.chromium.faults.push(`the focus doesn't show on ${selector} at ${new URL(this.page.url()).pathname}`);
    if (!seen.uncovered) this.chromium.faults.push(`${selector} has the focus out of sight at ${new URL(this.page.url()).pathname}`);
  }

  async fill(selector, text) {
    await this.tabTo(selector);
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.type(text);
  }

  /** Goes to the link or button with the Tab key and presses Enter; comes back on the next page. */
  async press(selector) {
    await this.tabTo(selector);
    await this.enter();
  }

  async enter() {
    const loaded = this.page.waitForNavigation({ waitUntil: 'load' });
    await this.page.keyboard.press('Enter');
    this.status = (await loaded)?.status();
  }
}
