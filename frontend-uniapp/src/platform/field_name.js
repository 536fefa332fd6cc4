/**
 * The name of a field. In a browser uni-app's fields do not hand theirs on to the element that is read aloud.
 *
 * @module
 */

import { onMounted, watch } from "vue";

/**
 * @param {import("vue").Ref<any>} root What the field lies in.
 * @param {() => {label: string, wrong?: boolean}} said
 */
export function useFieldName(root, said) {
  // #ifdef H5
  const tell = () => {
    const { label, wrong = false } = said();
    const field = (root.value?.$el ?? root.value)?.querySelector?.("input, textarea");
    // Only the field itself: two things of one name are one too many.
    field?.closest("uni-input, uni-textarea")?.removeAttribute("aria-label");
    field?.setAttribute("aria-label", label);
    field?.setAttribute("aria-invalid", String(wrong));
  };
  onMounted(tell);
  watch(() => [root.value, ...Object.values(said())], tell, { flush: "post" });
  // #endif
}
