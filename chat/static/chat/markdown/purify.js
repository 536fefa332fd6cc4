/**
 * The second wall. What is drawn is made node by node from the parser's tokens, without HTML in between; this looks at the result once more
 * before it comes to the page, so that a mistake in the making lets nothing through either.
 *
 * @module
 */

import createDOMPurify from "../vendor/dompurify/purify.es.mjs";

const TAGS = "a blockquote br code del div em h3 h4 h5 h6 hr input kbd li ol p pre section small span strong sub sup table tbody td th thead tr ul";
const ATTRIBUTES = "align checked class disabled href rel start target title type tabindex role aria-label data-align";
const CLASSES = new Set(["md-plain", "md-image", "md-place", "md-task", "md-table", "md-slot", "md-note"]);

const text = createDOMPurify(window);
text.addHook("uponSanitizeAttribute", (element, attribute) => {
  const { attrName: name, attrValue: value } = attribute;
  if (name === "class") attribute.keepAttr = value.split(" ").every((one) => CLASSES.has(one));
  if (name === "href") attribute.keepAttr = /^(?:https?:\/\/|mailto:)/i.test(value);
  if (name === "type") attribute.keepAttr = value === "checkbox";
});
text.addHook("afterSanitizeElements", (element) => {
  if (element.nodeName === "INPUT" && !(element.type === "checkbox" && element.disabled)) element.remove();
});
text.setConfig({
  IN_PLACE: true,
  ALLOWED_TAGS: TAGS.split(" "),
  ALLOWED_ATTR: ATTRIBUTES.split(" "),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_NAMESPACES: ["http://www.w3.org/1999/xhtml"],
});

/** Sanitise what was made of tokens, in place. @param {HTMLElement} root */
export const sanitise = (root) => text.sanitize(root);

/** What KaTeX makes: spans, MathML for screen readers, and a few drawn lines. */
const FORMULA_TAGS =
  "span svg path line g math semantics annotation mrow mi mo mn ms mtext mspace msup msub msubsup mfrac msqrt mroot mover munder munderover mtable mtr mtd mlabeledtr " +
  "mpadded mphantom mstyle menclose mglyph mmultiscripts";
const FORMULA_ATTRIBUTES =
  "class style aria-hidden d viewbox width height preserveaspectratio x1 x2 y1 y2 stroke-width xmlns display encoding mathvariant stretchy fence separator lspace rspace " +
  "minsize maxsize linethickness scriptlevel displaystyle accent accentunder columnalign columnlines columnspacing rowspacing rowlines rowalign side " +
  "mathcolor mathbackground mathsize depth voffset notation movablelimits largeop symmetric form width height alttext";
const formula = createDOMPurify(window);
formula.setConfig({
  IN_PLACE: true,
  ALLOWED_TAGS: FORMULA_TAGS.split(" "),
  ALLOWED_ATTR: FORMULA_ATTRIBUTES.split(" "),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
});

/** Sanitise what KaTeX has made, in place. @param {HTMLElement} root */
export const sanitiseFormula = (root) => formula.sanitize(root);
