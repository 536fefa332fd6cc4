/** A clock, a network and a server that do what a test tells them, and chance that can be repeated. */

/** mulberry32: the same seed, the same numbers. */
export function seeded(seed) {
  let a = seed >>> 0;
  const random = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (low, high) => low + Math.floor(random() * (high - low + 1));
  return { random, int, chance: (p) => random() < p, pick: (list) => list[int(0, list.length - 1)] };
}

/** Runs `property` for many seeds; a failure names its seed. */
export function forAll(count, property) {
  for (let seed = 1; seed <= count; seed += 1) {
    try {
      property(seeded(seed), seed);
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
}

/** Time that passes only when a test says so. */
export class FakeClock {
  now = 0;
  #timers = new Map();
  #next = 1;

  timers = {
    set: (call, ms) => {
      this.#timers.set(this.#next, { call, at: this.now + ms });
      return this.#next++;
    },
    clear: (id) => this.#timers.delete(id),
  };

  /** Let `ms` pass and fire what is due, in order. */
  pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].call();
    }
    this.now = end;
  }

  get count() {
    return this.#timers.size;
  }
}

/** A log of one run's frames, and what a reader must know behind each of them. */
export function makeLog(random, run = "run-1", { conversation = "conv-1", message = `answer-${run}`, parent = `question-${run}`, key = `key-${run}` } = {}) {
  const start = { type: "start", run, seq: 0, conversation, message, parent, key, model: "m", content: random.chance(0.3) ? "so far " : "", thinking: "" };
  const frames = [start];
  const texts = [{ thinking: "", answer: start.content }];
  const count = random.int(0, 12);
  for (let seq = 1; seq <= count; seq += 1) {
    const channel = random.chance(0.3) ? "thinking" : "answer";
    const content = random.pick(["a", "你好", "🙂", " ", "\n", `${seq}`]);
    frames.push({ type: "stream", run, seq, channel, content });
    texts.push({ ...texts.at(-1), [channel]: texts.at(-1)[channel] + content });
  }
  const failed = random.chance(0.2);
  const finish_reason = failed ? "error" : random.pick(["stop", "length", "stopped", "interrupted"]);
  frames.push({ type: "end", run, seq: count + 1, finish_reason, usage: { completion_tokens: count }, timing: { total_s: 1 } });
  texts.push(texts.at(-1));
  const error = failed ? { type: "error", run, code: "decoding_failed", message: "It failed.", retryable: true } : null;
  return { run, frames, texts, error };
}

/** The frames behind `after`, as the server sends them: some merged, the error before the end. */
export function replayOf(log, after, random) {
  const sent = [];
  for (const frame of log.frames.slice(after + 1)) {
    const last = sent.at(-1);
    if (frame.type === "end" && log.error) sent.push(log.error);
    if (frame.type === "stream" && last?.type === "stream" && last.channel === frame.channel && random.chance(0.5)) {
      sent[sent.length - 1] = { ...last, first: last.first ?? last.seq, seq: frame.seq, content: last.content + frame.content };
    } else {
      sent.push(frame);
    }
  }
  return sent;
}

/** localStorage, as far as it is used. */
export class FakeStorage {
  texts = new Map();
  getItem(name) {
    return this.texts.get(name) ?? null;
  }
  setItem(name, text) {
    this.texts.set(name, text);
  }
}

/** One end of a connection; the test (or FakeServer) plays the other. */
export class FakeSocket {
  sent = [];
  open = false;
  closed = false;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  onSent = () => {};

  constructor(url) {
    this.url = url;
  }

  send(text) {
    if (!this.open || this.closed) throw new Error("not open");
    this.sent.push(JSON.parse(text));
    this.onSent(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }

  accept() {
    this.open = true;
    this.onopen?.();
  }

  /** A frame from the server. */
  give(frame) {
    if (!this.closed) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** The server, or the network, closes it. */
  cut(code = 1006) {
    this.closed = true;
    this.onclose?.({ code });
  }

  frames(type) {
    return this.sent.filter((frame) => frame.type === type);
  }
}

/** Everything a Session needs, with all sockets that it opened. */
export function surroundings({ storage = new FakeStorage(), clock = new FakeClock(), random = seeded(7) } = {}) {
  let ids = 0;
  const world = {
    clock: () => clock.now,
    time: clock,
    timers: clock.timers,
    storage,
    random: random.random,
    uuid: () => `id-${(ids += 1)}-${random.int(0, 1e9)}`,
    url: "ws://host/ws/chat/",
    lang: "en",
    sockets: [],
    changes: 0,
    socket: (url) => {
      const socket = new FakeSocket(url);
      world.sockets.push(socket);
      return socket;
    },
    onChange: () => {
      world.changes += 1;
    },
  };
  Object.defineProperty(world, "last", { get: () => world.sockets.at(-1) });
  return world;
}

/**
 * The server's part of the wire, kept as small as it can be: keys, logs, resume. Answers grow when `grow` is called.
 * What it sends to a socket goes through `deliver`, so that a test can lose it.
 */
export class FakeServer {
  runs = new Map();
  keys = new Map();
  /** What was said, in the order in which it was stored. */
  stored = [];
  watchers = new Map();
  #ids = 0;

  constructor(random) {
    this.random = random;
  }

  take(socket, frame) {
    const does = { ping: () => socket.give({ type: "pong" }), resume: () => this.watch(socket, frame.run, frame.after), message: () => this.#submit(socket, frame) };
    does[frame.type]?.();
  }

  #submit(socket, frame) {
    if (!this.keys.has(frame.key)) {
      const run = `run-${(this.#ids += 1)}`;
      this.keys.set(frame.key, run);
      this.stored.push(frame.message);
      const ids = { run, conversation: frame.conversation, message: `answer-${run}`, parent: `question-${run}`, key: frame.key };
      this.runs.set(run, { ids, run, frames: [], texts: [], error: null, done: false });
    }
    this.watch(socket, this.keys.get(frame.key), -1);
  }

  watch(socket, id, after) {
    const run = this.runs.get(id);
    if (!run.frames.length) socket.give({ type: "queued", ...run.ids, position: 0 });
    this.watchers.set(`${id}`, { socket, sent: after });
    this.#deliver(id);
  }

  /** One more frame of a run. */
  grow(id) {
    const run = this.runs.get(id);
    if (run.done) return;
    const seq = run.frames.length;
    const ended = seq > 0 && this.random.chance(0.08);
    if (seq === 0) run.frames.push({ type: "start", seq, ...run.ids, model: "m", content: "", thinking: "" });
    else if (ended) run.frames.push({ type: "end", run: id, seq, finish_reason: "stop", usage: { completion_tokens: seq }, timing: {} });
    else run.frames.push({ type: "stream", run: id, seq, channel: this.random.chance(0.2) ? "thinking" : "answer", content: `${id}:${seq} ` });
    run.done = ended;
    this.#deliver(id);
  }

  text(id) {
    return this.runs.get(id).frames.filter((frame) => frame.channel === "answer").map((frame) => frame.content).join("");
  }

  #deliver(id) {
    const watch = this.watchers.get(id);
    if (!watch || watch.socket.closed) return;
    for (const frame of replayOf(this.runs.get(id), watch.sent, this.random)) {
      watch.socket.give(frame);
      watch.sent = frame.seq ?? watch.sent;
    }
  }
}
