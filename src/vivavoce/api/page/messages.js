// What the page tells: short lines that screen readers hear (their elements have role=status).

import { openKeyDialog } from "./key.js";

/** Show a line in an element. */
export function tell(element, text) {
  element.classList.remove("error");
  element.replaceChildren(text);
}

/** Show what went wrong where it happened; for want of a key, with a way to give one. */
export function tellError(element, error) {
  if (error.name === "AbortError") return;
  element.classList.add("error");
  element.replaceChildren(error.message);
  if (error.status === 401) {
    element.append(button("Give an API key", () => openKeyDialog()));
  }
}

/** Run an action of a button or a form; errors are shown, and it cannot run twice at once. */
export async function attempt(message, control, action) {
  if (control?.getAttribute("aria-busy") === "true") return undefined;
  control?.setAttribute("aria-busy", "true");
  tell(message, "");
  try {
    return await action();
  } catch (error) {
    tellError(message, error);
    return undefined;
  } finally {
    control?.removeAttribute("aria-busy");
  }
}

/** Return a new element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Return a new button. `label` is for when its text alone does not say of what it is. */
export function button(text, onclick, label = "") {
  const made = make("button", { type: "button", textContent: text, onclick });
  if (label) made.setAttribute("aria-label", label);
  return made;
}

/** Fill a <dl> with names and values; what has no value is left out. */
export function showNumbers(list, numbers) {
  const shown = Object.entries(numbers).filter(([, value]) => value !== null && value !== undefined);
  list.replaceChildren(
    ...shown.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))),
  );
}
