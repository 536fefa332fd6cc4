/**
 * Names of hosts in Latin letters only (RFC 3492), as browsers show those that try to look like others. The App and the mini-program have no
 * `URL` that would do it.
 *
 * @module
 */

const BASE = 36;
const LEAST = 1;
const MOST = 26;
const FIRST_BIAS = 72;
const FIRST = 128;
const LONGEST = 63;

/** One label of a host in Latin letters; nothing where there is no such. @param {string} label @returns {string} */
export function encodeLabel(label) {
  const signs = Array.from(label, (sign) => sign.codePointAt(0) ?? 0);
  const isHalf = (sign) => sign >= 0xd800 && sign <= 0xdfff;
  if (signs.length > LONGEST || signs.some(isHalf)) return "";
  const plain = signs.filter((sign) => sign < FIRST);
  let encoded = String.fromCharCode(...plain);
  if (plain.length === signs.length) return encoded;
  if (plain.length) encoded += "-";
  let bias = FIRST_BIAS;
  let delta = 0;
  let before = FIRST;
  for (let done = plain.length; done < signs.length; ) {
    const next = Math.min(...signs.filter((sign) => sign >= before));
    delta += (next - before) * (done + 1);
    before = next;
    for (const sign of signs) {
      if (sign < before) delta += 1;
      if (sign !== before) continue;
      encoded += digits(delta, bias);
      bias = adapted(delta, done + 1, done === plain.length);
      delta = 0;
      done += 1;
    }
    delta += 1;
    before += 1;
  }
  return encoded.length + 4 > LONGEST ? "" : `xn--${encoded}`;
}

/** A number with digits whose worth depends on their place. */
function digits(number, bias) {
  let shown = "";
  let rest = number;
  for (let place = BASE; ; place += BASE) {
    const threshold = Math.max(LEAST, Math.min(MOST, place - bias));
    if (rest < threshold) return shown + digit(rest);
    shown += digit(threshold + ((rest - threshold) % (BASE - threshold)));
    rest = Math.floor((rest - threshold) / (BASE - threshold));
  }
}

const digit = (value) => String.fromCharCode(value < 26 ? value + 97 : value + 22);

function adapted(delta, count, isFirst) {
  let rest = Math.floor(delta / (isFirst ? 700 : 2));
  rest += Math.floor(rest / count);
  let bias = 0;
  for (; rest > ((BASE - LEAST) * MOST) / 2; bias += BASE) rest = Math.floor(rest / (BASE - LEAST));
  return bias + Math.floor(((BASE - LEAST + 1) * rest) / (rest + 38));
}
