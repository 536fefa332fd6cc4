/**
 * A field of several lines for a browser. The one of uni-app tells what was typed a tenth of a second late, and does not take a text that
 * equals what was typed last: a message that is refused would not come back.
 *
 * @module
 */

// #ifdef H5
import { defineComponent, h, onMounted, ref, watch } from "vue";

/** Who has a mouse has a keyboard: there, Enter sends. */
export const TOUCH = matchMedia("(pointer: coarse)").matches;

export default defineComponent({
  name: "PlainField",
  props: { value: { type: String, required: true }, focus: { type: Number, default: 0 }, label: String, placeholder: String, describedby: String },
  emits: ["type", "enter", "escape"],
  setup(props, { emit }) {
    const root = ref(null);

    /** The text that the height belongs to. An input method is disturbed by every look that is not needed. */
    let fitted;

    function show() {
      const field = root.value;
      if (!field) return;
      if (field.value !== props.value) field.value = props.value;
      if (field.value !== fitted) fit(field);
    }

    function fit(field) {
      fitted = field.value;
      field.style.height = "auto";
      field.style.height = `${field.scrollHeight}px`;
    }

    /** Enter sends on a keyboard, and never while an input method is putting characters together. */
    function key(event) {
      const composes = event.isComposing || event.keyCode === 229;
      if (event.key === "Escape" && !composes) emit("escape");
      if (event.key !== "Enter" || event.shiftKey || composes || TOUCH) return;
      event.preventDefault();
      emit("enter");
    }

    function type(event) {
      emit("type", event.target.value);
      fit(event.target);
    }

    watch(() => props.value, show, { flush: "post" });
    watch(
      () => props.focus,
      () => root.value?.focus(),
      { flush: "post" },
    );
    onMounted(show);
    return () =>
      h("textarea", {
        ref: root,
        class: "plain-field",
        rows: 1,
        enterkeyhint: TOUCH ? "enter" : "send",
        autocomplete: "off",
        "aria-label": props.label,
        "aria-describedby": props.describedby,
        placeholder: props.placeholder,
        onInput: type,
        onKeydown: key,
      });
  },
});
// #endif
