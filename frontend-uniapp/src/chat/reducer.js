/**
 * What is known of the conversations, from frames: one pure function for live and for replayed ones.
 *
 * A run's frames are numbered without a gap. The reducer applies a frame only when it is exactly the next one; it ignores what it has seen,
 * and marks a run with `gap` when something is missing, or when a merged frame starts inside what it has (where the borders inside
 * a merged frame lie is not known, so no part of it can be applied). The session answers a gap with `resume`.
 *
 * @module
 */

import { CHANNEL, CLIENT, FINISH, SERVER } from "./protocol.js";

/**
 * One turn. The messages of a conversation are a tree by `parent`.
 * @typedef {object} Message
 * @property {string} id
 * @property {string|null} parent
 * @property {string} conversation
 * @property {"user"|"assistant"|"system"} role
 * @property {string} content
 * @property {string} thinking
 * @property {string|null} run The newest run that writes, or wrote, this message.
 * @property {"queued"|"running"|"done"} status
 * @property {string|null} finishReason
 * @property {string} error One sentence, or nothing.
 * @property {string} model What answered, as far as it is known.
 * @property {number|null} thinkingS Seconds that it thought.
 * @property {number|null} promptTokens
 * @property {number|null} completionTokens
 * @property {number|null} contextLimit Tokens that the model's window has.
 * @property {number|null} tokensPerSecond
 * @property {1|-1|0} rating What its person thinks of it.
 * @property {string} comment
 */

/**
 * One answer being written.
 * @typedef {object} Run
 * @property {string} id
 * @property {string|null} conversation
 * @property {string|null} message
 * @property {string|null} parent
 * @property {number} seq The last frame that was applied; -1 before `start`.
 * @property {"queued"|"running"|"done"} status
 * @property {string} thinking
 * @property {string} answer
 * @property {number|null} position How many runs are ahead, while it is queued.
 * @property {number|null} eta Seconds until it starts, while it is queued.
 * @property {string} model
 * @property {import("./protocol.js").Context|null} context
 * @property {string|null} finishReason
 * @property {import("./protocol.js").UsageCount|null} usage
 * @property {import("./protocol.js").TimingSeconds|null} timing
 * @property {{code: string, message: string, retryable: boolean}|null} error
 * @property {"ahead"|"overlap"|null} gap Why the last frame could not be applied, until one can.
 */

/**
 * A frame that was not acknowledged yet.
 * @typedef {object} Pending
 * @property {string} key
 * @property {string} conversation
 * @property {import("./protocol.js").ClientFrame} frame
 * @property {{code: string, message: string}|null} [error] Why it has to be sent again, where it was refused for now.
 */

/**
 * @typedef {object} State
 * @property {string|null} conversation The one that is shown.
 * @property {Record<string, Message>} messages In the order of their arrival.
 * @property {Record<string, string>} open The child that is shown, for each parent (or `root:CONVERSATION`).
 * @property {Record<string, string>} leaves The last message of each conversation's open branch, as the server last said it.
 * @property {Record<string, Run>} runs
 * @property {Pending[]} pending In the order in which they were sent.
 * @property {(Pending & {error: {code: string, message: string}})[]} refused What will not be sent again.
 * @property {{code: string, message: string}|null} problem The last error that belongs to nothing else.
 * @property {Set<string>} rating The messages of which a thumb is on its way to the server.
 * @property {number} ratings So many thumbs were stored, or refused, since the start.
 */

/** @returns {State} */
export function initialState() {
  return { conversation: null, messages: {}, open: {}, leaves: {}, runs: {}, pending: [], refused: [], problem: null, rating: new Set(), ratings: 0 };
}

/**
 * The state behind an event: a server frame, or one of the client's own
 * `load {page}` · `open {conversation}` · `choose {message}` · `reveal {message}` · `rated {message, rating, comment, stored}` · `pending {item}` · `discard {key}` ·
 * `replay {run}`.
 * An event that says nothing new returns the very same state.
 * @param {State} state
 * @param {{type: string}} event
 * @returns {State}
 */
export function reduce(state, event) {
  const handler = HANDLERS.get(event.type);
  return handler ? handler(state, event) : state;
}

/** @type {[string, (state: State, event: any) => State][]} */
const BY_TYPE = [
  [SERVER.QUEUED, queued],
  [SERVER.START, start],
  [SERVER.STREAM, stream],
  [SERVER.END, end],
  [SERVER.ERROR, error],
  [SERVER.NOTICE, notice],
  ["load", load],
  ["open", (state, { conversation }) => ({ ...state, conversation, problem: null })],
  ["choose", choose],
  ["reveal", reveal],
  ["rated", rated],
  ["pending", pending],
  ["discard", discard],
  ["replay", replay],
];

/** A map, not an object: a type from the network may be the name of anything. */
const HANDLERS = new Map(BY_TYPE);

// --- frames of a run -------------------------------------------------------------------------------------------------------------

function queued(state, frame) {
  const settled = settle(state, frame);
  const run = settled.runs[frame.run];
  if (run && run.status !== "queued") return settled;
  return withRun(settled, { ...(run ?? newRun(settled, frame)), position: frame.position, eta: frame.eta_s ?? null });
}

function start(state, frame) {
  const settled = settle(state, frame);
  const run = settled.runs[frame.run] ?? newRun(settled, frame);
  if (run.seq >= 0) return settled;
  return withRun(settled, {
    ...run,
    ...placeOf(frame),
    seq: 0,
    status: "running",
    answer: frame.content ?? "",
    thinking: frame.thinking ?? "",
    model: frame.model ?? "",
    context: frame.context ?? null,
    position: null,
    eta: null,
    finishReason: null,
    usage: null,
    timing: null,
    error: null,
    gap: null,
  });
}

function stream(state, frame) {
  const run = state.runs[frame.run] ?? newRun(state, frame);
  if (frame.seq <= run.seq) return state;
  const first = frame.first ?? frame.seq;
  if (first !== run.seq + 1) return withGap(state, run, first > run.seq + 1 ? "ahead" : "overlap");
  const channel = frame.channel === CHANNEL.THINKING ? "thinking" : "answer";
  return withRun(state, { ...run, seq: frame.seq, [channel]: run[channel] + frame.content, gap: null });
}

function end(state, frame) {
  const run = state.runs[frame.run] ?? newRun(state, frame);
  if (run.status === "done") return state;
  // An end that comes too early: the server lost its last moments in a crash, and what it has now is the truth.
  if (frame.seq <= run.seq) return withGap(state, run, "overlap");
  if (frame.seq > run.seq + 1) return withGap(state, run, "ahead");
  const { finish_reason: finishReason, usage, timing } = frame;
  return withRun(state, { ...run, seq: frame.seq, status: "done", finishReason, usage, timing, gap: null });
}

function error(state, frame) {
  const failure = { code: frame.code, message: frame.message, retryable: Boolean(frame.retryable) };
  if (frame.run) {
    const run = state.runs[frame.run];
    if (!run || run.status === "done") return state;
    // A run that the server does not have will not end there either.
    const over = frame.code === "no_run" ? { status: "done", finishReason: FINISH.ERROR } : {};
    return withRun(state, { ...run, ...over, error: failure });
  }
  if (!frame.key) return { ...state, problem: failure };
  const item = state.pending.find((one) => one.key === frame.key);
  if (!item) return state;
  const refused = { ...item, error: failure };
  if (failure.retryable) return { ...state, pending: state.pending.map((one) => (one === item ? refused : one)) };
  return { ...without(state, frame.key), refused: [...state.refused, refused] };
}

/** The server did what needs no answer: a system prompt is stored, and shown where it was set. */
function notice(state, frame) {
  const item = state.pending.find((one) => one.key === frame.key);
  if (!item) return frame.key ? state : { ...state, problem: { code: frame.code, message: frame.message } };
  const content = textOf(item.frame).replace(/^\s*\/system\s*/, "");
  const parent = parentOf(state, item, item.conversation);
  const id = frame.stored ?? `notice:${item.key}`;
  const next = withMessage(without(state, item.key), newMessage({ id, role: "system", parent, conversation: item.conversation, content }));
  return { ...next, leaves: { ...next.leaves, [item.conversation]: id } };
}

// --- the client's own events ------------------------------------------------------------------------------------------------------

/**
 * Show a conversation as the server has it, the whole tree. What a live run has written since stays. The branch that the server has open
 * is shown, unless it is the one that it had open before: then the one that was chosen here stays.
 *
 * What was kept on the phone says with each unfinished answer behind which frame its text is (`seq`), and which branch was shown (`shown`).
 */
function load(state, { page }) {
  const next = { ...state, conversation: page.id, problem: null, messages: { ...state.messages }, open: { ...state.open }, runs: { ...state.runs } };
  const moved = page.leaf !== state.leaves[page.id];
  for (const row of page.messages) {
    const live = next.runs[row.run];
    const known = next.messages[row.id];
    const fresh = stored(row, page.id);
    const newer = live && live.seq >= 0 && known;
    const thumb = known && state.rating.has(row.id) ? known : fresh;
    next.messages[row.id] = unlessSame(known, { ...(newer ? known : fresh), rating: thumb.rating, comment: thumb.comment });
    const place = row.parent ?? `root:${page.id}`;
    if (moved || !next.open[place]) next.open[place] = row.id;
    if (row.running && !live) {
      const run = newRun(next, { run: row.run, message: row.id, conversation: page.id, parent: row.parent });
      next.runs[row.run] = { ...run, status: "running", seq: row.seq ?? -1 };
    }
  }
  if (moved) openTo(next, page.leaf);
  if (page.shown) openTo(next, page.shown);
  next.leaves = { ...state.leaves, [page.id]: page.leaf };
  return next;
}

/** What is as it was stays the very same object: its view has nothing to do. */
function unlessSame(known, fresh) {
  return known && Object.keys(fresh).every((name) => known[name] === fresh[name]) ? known : fresh;
}

/** @returns {Message} A message as HTTP and the page's first data say it. */
function stored(row, conversation) {
  return newMessage({
    id: row.id,
    parent: row.parent,
    conversation,
    role: row.role,
    content: row.content,
    thinking: row.thinking,
    run: row.run,
    status: row.running ? "running" : "done",
    finishReason: row.finish_reason || null,
    error: row.error,
    model: row.model,
    thinkingS: row.thinking_s,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    contextLimit: row.context_limit,
    tokensPerSecond: row.tokens_per_second,
    rating: row.rating,
    comment: row.comment,
  });
}

/** Another of the messages that follow the same one: its branch is shown from here on. */
function choose(state, { message: id }) {
  const message = state.messages[id];
  if (!message) return state;
  return { ...state, open: { ...state.open, [message.parent ?? `root:${message.conversation}`]: id } };
}

/** Show the branch that a message is in. */
function reveal(state, { message: id }) {
  if (!state.messages[id]) return state;
  const next = { ...state, open: { ...state.open } };
  openTo(next, id);
  return next;
}

/** Until it is `stored`, or refused, what the server says of the message does not know of it yet. */
function rated(state, { message: id, rating, comment = "", stored: told = false }) {
  const message = state.messages[id];
  if (!message) return state;
  const underway = new Set(state.rating);
  if (told) underway.delete(id);
  else underway.add(id);
  const next = { ...state, rating: underway, ratings: state.ratings + Number(told) };
  return { ...next, messages: { ...state.messages, [id]: { ...message, rating, comment } } };
}

function pending(state, { item }) {
  return state.pending.some((one) => one.key === item.key) ? state : { ...state, pending: [...state.pending, item] };
}

/** The person, or another tab, has dealt with it. */
function discard(state, { key }) {
  return without({ ...state, refused: state.refused.filter((one) => one.key !== key) }, key);
}

/** `resume` with -1 was sent: the run's frames come again from the first. Its text stays on the screen until they do. */
function replay(state, { run: id }) {
  const run = state.runs[id];
  return run ? withRun(state, { ...run, seq: -1, gap: null }) : state;
}

// --- parts ------------------------------------------------------------------------------------------------------------------------

/** What was sent is stored now: it is no longer pending, and its messages have their ids. */
function settle(state, frame) {
  const item = state.pending.find((one) => one.key === frame.key);
  let next = item ? without(state, item.key) : state;
  if (item && textOf(item.frame) && !next.messages[frame.parent]) {
    const { conversation } = frame;
    const parent = parentOf(next, item, conversation);
    next = withMessage(next, newMessage({ id: frame.parent, role: "user", parent, conversation, content: textOf(item.frame) }));
  }
  if (!next.messages[frame.message]) {
    const { message: id, conversation, parent, run } = frame;
    next = withMessage(next, newMessage({ id, role: "assistant", parent, conversation, run, status: "queued" }));
    next = { ...next, leaves: { ...next.leaves, [conversation]: id } };
  }
  return next;
}

/** What the person wrote in a frame, if anything. */
export function textOf(frame) {
  if (frame.type === CLIENT.EDIT) return frame.content;
  return frame.type === CLIENT.MESSAGE ? frame.message : "";
}

function parentOf(state, item, conversation) {
  if (item.frame.type === CLIENT.EDIT) return state.messages[item.frame.message]?.parent ?? null;
  return item.frame.parent ?? leaf(state, conversation)?.id ?? null;
}

function without(state, key) {
  return state.pending.some((one) => one.key === key) ? { ...state, pending: state.pending.filter((one) => one.key !== key) } : state;
}

const placeOf = (frame) => ({ conversation: frame.conversation ?? null, message: frame.message ?? null, parent: frame.parent ?? null });

/** @returns {Run} */
function newRun(state, frame) {
  const message = state.messages[frame.message];
  return {
    id: frame.run,
    ...placeOf(frame),
    seq: -1,
    status: "queued",
    thinking: message?.thinking ?? "",
    answer: message?.content ?? "",
    position: null,
    eta: null,
    model: "",
    context: null,
    finishReason: null,
    usage: null,
    timing: null,
    error: null,
    gap: null,
  };
}

/** @returns {Message} */
function newMessage(fields) {
  return {
    content: "",
    thinking: "",
    run: null,
    status: "done",
    finishReason: null,
    error: "",
    model: "",
    thinkingS: null,
    promptTokens: null,
    completionTokens: null,
    contextLimit: null,
    tokensPerSecond: null,
    rating: 0,
    comment: "",
    ...fields,
  };
}

function withGap(state, run, gap) {
  return run.gap === gap && state.runs[run.id] ? state : { ...state, runs: { ...state.runs, [run.id]: { ...run, gap } } };
}

/** Keep a run, and let its message show it. */
function withRun(state, run) {
  const known = state.runs[run.id];
  const message = state.messages[run.message];
  const next = { ...state, runs: { ...state.runs, [run.id]: run } };
  // An older run of the message, replayed, must not overwrite what a newer one has written.
  if (!message || (known && message.run !== run.id)) return next;
  const { answer: content, thinking, status, finishReason } = run;
  const shown = { ...message, ...figuresOf(run, message), run: run.id, content, thinking, status, finishReason, error: run.error?.message ?? "" };
  return { ...next, messages: { ...next.messages, [message.id]: shown } };
}

/** What a run says of its message beside the text; what it does not say stays. */
function figuresOf(run, message) {
  return {
    model: run.model || message.model,
    thinkingS: run.timing?.thinking_s ?? message.thinkingS,
    promptTokens: run.usage?.prompt_tokens ?? run.context?.used ?? message.promptTokens,
    completionTokens: run.usage?.completion_tokens ?? message.completionTokens,
    contextLimit: run.context?.limit ?? message.contextLimit,
    tokensPerSecond: run.timing?.tokens_per_second ?? message.tokensPerSecond,
  };
}

/** Keep a message; it becomes the one that is shown of its siblings. */
function withMessage(state, message) {
  return {
    ...state,
    messages: { ...state.messages, [message.id]: message },
    open: { ...state.open, [message.parent ?? `root:${message.conversation}`]: message.id },
  };
}

/** Let `open` lead to a message. Changes `state`, which is the caller's own copy. */
function openTo(state, id) {
  for (let message = state.messages[id]; message; message = state.messages[message.parent]) {
    state.open[message.parent ?? `root:${message.conversation}`] = message.id;
  }
}

// --- reading the state --------------------------------------------------------------------------------------------------------------

/**
 * The messages of the branch that is shown, from the first to the last.
 * @param {State} state
 * @param {string|null} [conversation]
 * @returns {Message[]}
 */
export function path(state, conversation = state.conversation) {
  const shown = [];
  let next = state.messages[state.open[`root:${conversation}`]];
  while (next) {
    shown.push(next);
    next = state.messages[state.open[next.id]];
  }
  return shown;
}

/** @returns {Message|undefined} */
export function leaf(state, conversation = state.conversation) {
  return path(state, conversation).at(-1);
}

/**
 * For each message that has any beside it: all that follow the same one, in the order in which they were made.
 * @param {State} state
 * @param {string|null} [conversation]
 * @returns {Map<string, string[]>}
 */
export function branches(state, conversation = state.conversation) {
  /** @type {Map<string|null, string[]>} */
  const children = new Map();
  for (const { id, parent, conversation: its } of Object.values(state.messages)) {
    if (its !== conversation) continue;
    if (children.has(parent)) children.get(parent).push(id);
    else children.set(parent, [id]);
  }
  const several = [...children.values()].filter((ids) => ids.length > 1);
  return new Map(several.flatMap((ids) => ids.map((id) => [id, ids])));
}

/** Where a new message has to say what it follows: the branch that is shown is not the one that the server has open. @returns {string|undefined} */
export function chosenParent(state, conversation = state.conversation) {
  if (state.pending.some((item) => item.conversation === conversation)) return undefined;
  const last = leaf(state, conversation);
  if (!last || last.role === "user" || last.id === state.leaves[conversation]) return undefined;
  return last.id;
}

/** The runs that have not ended. @returns {Run[]} */
export function unfinished(state) {
  return Object.values(state.runs).filter((run) => run.status !== "done");
}

/** The run that writes in a conversation just now, if any. @returns {Run|undefined} */
export function activeRun(state, conversation = state.conversation) {
  return unfinished(state).find((run) => run.conversation === conversation);
}
