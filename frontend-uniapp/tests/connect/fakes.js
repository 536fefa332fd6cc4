/** What stands around the modules in tests: computers that answer at addresses, time, storage. */

export class FakeStorage {
  items = new Map();
  getItem(name) {
    return this.items.get(name) ?? null;
  }
  setItem(name, text) {
    this.items.set(name, text);
  }
}

/** Time that passes when it is told to. */
export class FakeTime {
  now = 0;
  waiting = [];
  clock = () => this.now;
  timers = {
    set: (call, ms) => {
      const timer = { call, at: this.now + ms };
      this.waiting.push(timer);
      return timer;
    },
    clear: (timer) => {
      this.waiting = this.waiting.filter((one) => one !== timer);
    },
  };

  async pass(ms) {
    const until = this.now + ms;
    for (;;) {
      await settle();
      const next = this.waiting.filter((one) => one.at <= until).sort((one, other) => one.at - other.at)[0];
      if (!next) break;
      this.now = Math.max(this.now, next.at);
      this.timers.clear(next);
      next.call();
    }
    this.now = until;
    await settle();
  }
}

export async function settle() {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/** A computer as the wire shows it. */
export class FakeComputer {
  constructor({ id = "c-1", host = "", protocol = 1, status = "ready", tokens = {}, codes = {}, open = false } = {}) {
    Object.assign(this, { id, host, protocol, status, tokens, codes, open });
    this.progress = 0;
    /** Every token that it was shown. */
    this.shown = [];
    this.asked = [];
  }

  answer({ method, url, body, token }) {
    const path = url.replace(/^https?:\/\/[^/]+/, "");
    this.asked.push(`${method} ${path}`);
    if (token) this.shown.push(token);
    if (path.startsWith("/healthz")) return this.#health(path.endsWith("?who"));
    if (path === "/api/me") return this.#me(token);
    if (path === "/api/pair") return this.#pair(body);
    return json(404, {});
  }

  #health(who) {
    const said = { status: this.status, computer: this.id, instance: "i", protocol: this.protocol, name: this.host };
    if (this.status === "loading") Object.assign(said, { step: "weights", progress: this.progress });
    return json(who || this.status === "ready" ? 200 : 503, said);
  }

  #me(token) {
    const owner = this.tokens[token] ?? (this.open ? "everybody" : "");
    return owner ? json(200, { owner, device: { id: `d-${owner}` }, open: this.open }) : json(401, { code: "not_paired" });
  }

  #pair({ code }) {
    if (this.wait) return json(429, { code: "too_many_requests", retry_after_s: this.wait });
    const owner = this.codes[code];
    if (!owner) return json(403, { code: "code_refused", message: "No." });
    delete this.codes[code];
    this.tokens[`t-${owner}`] = owner;
    return json(200, { token: `t-${owner}`, owner, device: `d-${owner}` });
  }
}

function json(status, body) {
  return { status, text: JSON.stringify(body) };
}

/** Who answers at which address. What is at no address is silent. */
export class FakeNetwork {
  /** @param {Record<string, FakeComputer|{status: number, text: string}>} places @param {FakeTime} time */
  constructor(places, time) {
    this.places = places;
    this.time = time;
    this.kind = "wifi";
    /** Addresses that refuse at once. */
    this.refusing = new Set();
  }

  network = async () => this.kind;

  ask = async (asked) => {
    const base = /^https?:\/\/[^/]+/.exec(asked.url)[0];
    const there = this.places[base];
    if (there instanceof FakeComputer) return there.answer(asked);
    if (there) return there;
    if (!this.refusing.has(base)) await new Promise((resolve) => this.time.timers.set(resolve, asked.timeout ?? 15_000));
    return { status: 0, text: "" };
  };
}
