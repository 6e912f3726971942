/**
 * A browser without scripts: fetch, a cookie jar and forms. It does on Muster's pages what a person's browser does and
 * refuses what one would refuse: a `Secure` cookie over http, an endless redirect, a form it cannot submit.
 *
 * What only a real browser can tell (content security, layout, focus) is browser.mjs's.
 */
import assert from 'node:assert/strict';

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function unescaped(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
    hex ? String.fromCodePoint(parseInt(hex, 16)) : decimal ? String.fromCodePoint(Number(decimal)) : (ENTITIES[name] ?? whole));
}

function attributesOf(tag) {
  const attributes = {};
  const inside = tag.replace(/^<[a-z]+/i, '').replace(/\/?>$/, '');
  for (const [, name, double, single, bare] of inside.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
    attributes[name.toLowerCase()] = unescaped(double ?? single ?? bare ?? '');
  }
  return attributes;
}

/** One HTML answer: where it came from, its status, its forms. */
export class Page {
  constructor(url, status, html) {
    this.url = url;
    this.status = status;
    this.html = html.replace(/<!--[\s\S]*?-->/g, '');
    this.forms = [];
    this.#readForms();
  }

  #readForms() {
    let open;
    for (const [tag, slash, name] of this.html.matchAll(/<(\/?)(form|input|button|textarea|select)\b(?:"[^"]*"|'[^']*'|[^>"'])*>/gi)) {
      const kind = name.toLowerCase();
      if (kind === 'form') {
        open = slash ? undefined : { ...attributesOf(tag), controls: [] };
        if (open) this.forms.push(open);
      } else if (!slash) {
        const control = { kind, ...attributesOf(tag) };
        const owner = control.form === undefined ? open : this.forms.find((form) => form.id === control.form);
        owner?.controls.push(control);
      }
    }
  }

  /** The form that holds the control with this id, or whose own id it is. */
  formWith(id) {
    return this.forms.find((form) => form.id === id || form.controls.some((control) => control.id === id));
  }

  has(id) {
    return this.formWith(id) !== undefined;
  }

  /** The page's text, tags taken away: for headings and messages. */
  get text() {
    const body = this.html.replace(/^[\s\S]*?<body\b/i, '<body').replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ');
    return unescaped(body.replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim();
  }

  toString() {
    return `${this.status} ${this.url.pathname}: ${this.text.slice(0, 300)}`;
  }
}

/** The browser stopped at one of the addresses that belong to the application, without calling it. */
export class Arrival {
  constructor(url, method, body) {
    this.url = url;
    this.method = method;
    this.body = body;
  }

  toString() {
    return `${this.method} ${this.url}`;
  }
}

export class PlainBrowser {
  #cookies = new Map();

  /** @param {string[]} stopsAt the application's own addresses: redirect and post-log-out URIs */
  constructor(stopsAt) {
    this.stopsAt = stopsAt.map((address) => new URL(address));
  }

  open(url) {
    return this.#go(new URL(url), 'GET');
  }

  /** Submits the form as the named button would; `values` fill its fields, hidden ones go along untouched. */
  submit(page, form, values = {}, buttonId = undefined) {
    const fields = new URLSearchParams();
    for (const control of form.controls) {
      const pressed = control.kind === 'button' || control.type === 'submit' ? control.id === buttonId : true;
      const off = ['checkbox', 'radio'].includes(control.type) && control.checked === undefined && !(control.name in values);
      if (control.name && pressed && !off && control.disabled === undefined) {
        fields.append(control.name, values[control.name] ?? control.value ?? '');
      }
    }
    for (const name of Object.keys(values)) {
      assert.ok(fields.has(name), `the form ${form.id ?? form.action} on ${page} has no field ${name}`);
    }
    assert.ok(!buttonId || form.controls.some((control) => control.id === buttonId), `no button ${buttonId} on ${page}`);
    assert.equal((form.method ?? 'get').toLowerCase(), 'post', `a form that changes something must be a POST: ${page}`);
    return this.#go(new URL(form.action || page.url, page.url), 'POST', fields, page.url);
  }

  async #go(url, method, body, from) {
    for (let hop = 0; hop < 12; hop += 1) {
      if (this.stopsAt.some((stop) => stop.origin === url.origin && stop.pathname === url.pathname)) {
        return new Arrival(url, method, body);
      }
      const response = await fetch(url, {
        method,
        body,
        redirect: 'manual',
        headers: this.#headers(url, method, from),
        signal: AbortSignal.timeout(20_000),
      });
      this.#remember(url, response);
      const location = response.headers.get('location');
      if (location === null) return new Page(url, response.status, await response.text());
      await response.body?.cancel();
      // RFC 9700 §4.12: a 307 or 308 would hand the password on to the application.
      assert.ok([302, 303].includes(response.status), `${url.pathname} redirects with ${response.status}`);
      [url, method, body, from] = [new URL(location, url), 'GET', undefined, undefined];
    }
    throw new Error(`redirected without end, last to ${url.pathname}`);
  }

  #headers(url, method, from) {
    const headers = { accept: 'text/html', 'accept-language': 'en' };
    const cookies = [...this.#cookies.values()].filter((cookie) => cookie.host === url.host && url.pathname.startsWith(cookie.path));
    if (cookies.length > 0) headers.cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    if (method === 'POST') {
      headers.origin = from.origin;
      headers['sec-fetch-site'] = from.origin === url.origin ? 'same-origin' : 'cross-site';
    }
    return headers;
  }

  #remember(url, response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...rest] = line.split(';').map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const flags = Object.fromEntries(rest.map((part) => [part.split('=')[0].toLowerCase(), part.split('=')[1] ?? '']));
      const key = `${url.host} ${name}`;
      const gone = Number(flags['max-age'] ?? 1) <= 0 || Date.parse(flags.expires ?? '9999-01-01') <= Date.now();
      if (gone) {
        this.#cookies.delete(key); // whatever else is said of it
        continue;
      }
      assert.ok('httponly' in flags, `the cookie ${name} is open to scripts`);
      assert.ok(['lax', 'strict'].includes(flags.samesite?.toLowerCase()), `the cookie ${name} says no SameSite`);
      assert.ok(!('secure' in flags) || url.protocol === 'https:', `a browser drops the Secure cookie ${name} over http`);
      assert.equal('secure' in flags, url.protocol === 'https:', `the cookie ${name} may leave over http`);
      this.#cookies.set(key, { host: url.host, name, value, path: flags.path ?? '/' });
    }
  }
}
