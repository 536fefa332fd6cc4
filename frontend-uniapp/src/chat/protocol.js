/**
 * The wire of llmsite, version 1: constants and types.
 * Generated from chat/protocol.py by `python manage.py protocol`. Change that, not this.
 *
 * @module
 */

export const VERSION = 1;

export const MAX_MESSAGE_CHARS = 100000;

export const MAX_KEY_CHARS = 64;

/** What a client may send. */
export const CLIENT = Object.freeze({
  MESSAGE: "message",
  STOP: "stop",
  RESUME: "resume",
  REGENERATE: "regenerate",
  CONTINUE: "continue",
  EDIT: "edit",
  PING: "ping",
});

/** What the server sends. */
export const SERVER = Object.freeze({
  QUEUED: "queued",
  START: "start",
  STREAM: "stream",
  END: "end",
  ERROR: "error",
  NOTICE: "notice",
  CHANGED: "changed",
  PONG: "pong",
});

/** Where a piece of text belongs. */
export const CHANNEL = Object.freeze({
  ANSWER: "answer",
  THINKING: "thinking",
});

/** Why a run ended. */
export const FINISH = Object.freeze({
  STOP: "stop",
  LENGTH: "length",
  STOPPED: "stopped",
  INTERRUPTED: "interrupted",
  ERROR: "error",
});

/** The sampling parameters, with the ranges the server accepts. */
export const OPTIONS = Object.freeze({
  preset: Object.freeze({"type": "string", "values": ["balanced", "precise", "creative", "tutorial"], "about": "A named set of values; single values beside it win."}),
  max_tokens: Object.freeze({"min": 1, "max": 131072, "type": "integer", "about": "Most new tokens in the answer; the prompt is not counted."}),
  temperature: Object.freeze({"min": 0, "max": 2, "type": "number", "about": "0 always takes the likeliest token; higher is more varied."}),
  top_p: Object.freeze({"above": 0, "max": 1, "type": "number", "about": "Keep the likeliest tokens that together have this probability."}),
  top_k: Object.freeze({"min": 0, "max": 1000, "type": "integer", "about": "Keep this many of the likeliest tokens; 0 keeps all."}),
  min_p: Object.freeze({"min": 0, "max": 1, "type": "number", "about": "Drop tokens less likely than this share of the likeliest one."}),
  repetition_penalty: Object.freeze({"min": 0.5, "max": 2, "type": "number", "about": "Above 1 makes tokens that were used less likely."}),
  seed: Object.freeze({"min": 0, "max": 4294967295, "type": "integer", "about": "The same seed gives the same text when the answer is decoded alone."}),
  stop: Object.freeze({"type": "array", "about": "The answer ends before any of these texts."}),
  thinking: Object.freeze({"type": "boolean", "about": "Let the model think first, where it can."}),
});

/**
 * Something of a conversation changed elsewhere: it was written in, renamed, pinned, deleted. Fetch it again over HTTP.
 * 
 * Nobody tells who is not connected: at each connection, also the first, ask `/api/changes` for what was missed.
 * @typedef {object} ChangedFrame
 * @property {"changed"} type
 * @property {string} conversation
 */

/**
 * How full the model's context window is.
 * @typedef {object} Context
 * @property {number} [used] Tokens of the prompt.
 * @property {number} [limit] Tokens that the context window has.
 * @property {number} dropped How many of the oldest messages were left out.
 */

/**
 * Go on with an answer that was cut short, from exactly its text.
 * @typedef {object} ContinueFrame
 * @property {"continue"} type
 * @property {string} message
 * @property {string|null} [key]
 * @property {Options|null} [options]
 */

/**
 * Replace one's own message: a new branch beside it, answered anew. The old one is kept.
 * @typedef {object} EditFrame
 * @property {"edit"} type
 * @property {string} message
 * @property {string} content
 * @property {string|null} [key]
 * @property {Options|null} [options]
 * @property {string|null} [model] Which model gives this one answer; without it, the conversation's.
 */

/**
 * The run is over; the last frame of every run, exactly once.
 * @typedef {object} EndFrame
 * @property {"end"} type
 * @property {string} run
 * @property {number} seq
 * @property {"stop"|"length"|"stopped"|"interrupted"|"error"} finish_reason
 * @property {UsageCount} usage
 * @property {TimingSeconds} timing
 */

/**
 * Something was refused or failed. With `run`, that run's `end` follows; but `no_run` says that there is no such run.
 * @typedef {object} ErrorFrame
 * @property {"error"} type
 * @property {string} code
 * @property {string} message One sentence for the person, in their language.
 * @property {boolean} retryable
 * @property {string} [run]
 * @property {string} [key] The key of the frame that was refused.
 * @property {number} [retry_after_s] Seconds after which it will be taken, where the server knows.
 */

/**
 * Something was done that needs no answer, `/system` say.
 * @typedef {object} NoticeFrame
 * @property {"notice"} type
 * @property {string} code
 * @property {string} message
 * @property {string} [conversation]
 * @property {string} [key]
 * @property {string} [stored] The message that was stored.
 */

/**
 * Sampling for one message; what is not said comes from the conversation, its persona, and the model.
 * @typedef {object} Options
 * @property {"balanced"|"precise"|"creative"|"tutorial"|null} [preset] A named set of values; single values beside it win.
 * @property {number|null} [max_tokens] Most new tokens in the answer; the prompt is not counted.
 * @property {number|null} [temperature] 0 always takes the likeliest token; higher is more varied.
 * @property {number|null} [top_p] Keep the likeliest tokens that together have this probability.
 * @property {number|null} [top_k] Keep this many of the likeliest tokens; 0 keeps all.
 * @property {number|null} [min_p] Drop tokens less likely than this share of the likeliest one.
 * @property {number|null} [repetition_penalty] Above 1 makes tokens that were used less likely.
 * @property {number|null} [seed] The same seed gives the same text when the answer is decoded alone.
 * @property {string[]|null} [stop] The answer ends before any of these texts.
 * @property {boolean|null} [thinking] Let the model think first, where it can.
 */

/**
 * Ask for a `pong`.
 * @typedef {object} PingFrame
 * @property {"ping"} type
 */

/**
 * The answer to `ping`.
 * @typedef {object} PongFrame
 * @property {"pong"} type
 */

/**
 * The message is stored and waits for its turn. Sent again whenever the place changes.
 * @typedef {object} QueuedFrame
 * @property {"queued"} type
 * @property {string} run
 * @property {string} conversation
 * @property {string} message The answer that will grow.
 * @property {string} parent The message that is answered.
 * @property {string} [key]
 * @property {number} position How many runs are ahead.
 * @property {number} [eta_s] Estimated seconds until it starts; absent while nothing is known.
 */

/**
 * Answer again, as a new branch beside the old answer. `message` is the answer, or the question it belongs to.
 * @typedef {object} RegenerateFrame
 * @property {"regenerate"} type
 * @property {string} message
 * @property {string|null} [key]
 * @property {Options|null} [options]
 * @property {string|null} [model] Which model gives this one answer; without it, the conversation's.
 */

/**
 * Watch a run from behind the frame `after`; -1 replays it from its start, finished or not.
 * @typedef {object} ResumeFrame
 * @property {"resume"} type
 * @property {string} run
 * @property {number} [after]
 */

/**
 * Say something. `{"message": "…"}` alone is enough; a `message` that starts with `/system ` sets the system prompt instead.
 * @typedef {object} SendMessageFrame
 * @property {"message"} [type]
 * @property {string} message
 * @property {string|null} [conversation] Where to. The client may choose the id of a new one itself. Without it: a new one.
 * @property {string|null} [parent] The message that this one follows; without it the newest of the conversation's open branch.
 * @property {string|null} [key] Chosen by the client for each send; the same key twice is the same message.
 * @property {Options|null} [options]
 * @property {string|null} [model] Which model answers, here and from now on in this conversation; empty: the default one.
 * @property {number|null} [persona] The conversation's persona from now on; 0: none.
 */

/**
 * The run begins; always frame 0.
 * @typedef {object} StartFrame
 * @property {"start"} type
 * @property {string} run
 * @property {0} seq
 * @property {string} conversation
 * @property {string} message The answer that grows.
 * @property {string} parent The message that is answered.
 * @property {string} [key]
 * @property {string} model
 * @property {string} content The answer so far: not empty when an answer is continued.
 * @property {string} thinking The thinking so far.
 * @property {Context} [context]
 */

/**
 * End a run now. Its text so far stays.
 * @typedef {object} StopFrame
 * @property {"stop"} type
 * @property {string} run
 */

/**
 * More text. A merged frame stands for the frames `first` to `seq`.
 * @typedef {object} StreamFrame
 * @property {"stream"} type
 * @property {string} run
 * @property {number} seq
 * @property {number} [first] The first of the frames merged into this one; absent when it is one frame.
 * @property {"answer"|"thinking"} channel
 * @property {string} content
 */

/**
 * @typedef {object} TimingSeconds
 * @property {number} [queue_s]
 * @property {number} [first_token_s]
 * @property {number} [thinking_s] How long the message's thinking took, all its runs together; absent when there is none.
 * @property {number} [total_s]
 * @property {number} [tokens_per_second]
 */

/**
 * @typedef {object} UsageCount
 * @property {number} [prompt_tokens]
 * @property {number} completion_tokens
 */

/** @typedef {SendMessageFrame|StopFrame|ResumeFrame|RegenerateFrame|ContinueFrame|EditFrame|PingFrame} ClientFrame */
/** @typedef {QueuedFrame|StartFrame|StreamFrame|EndFrame|ErrorFrame|NoticeFrame|ChangedFrame|PongFrame} ServerFrame */
