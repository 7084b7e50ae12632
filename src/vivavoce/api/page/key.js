// The API key: asked for in a dialog, kept in this tab.

import { key } from "./api.js";

const dialog = document.getElementById("key-dialog");
const input = document.getElementById("key");
const listeners = [];

/** Have something done whenever another key is given. */
export function onNewKey(listener) {
  listeners.push(listener);
}

/** Ask for the key. */
export function openKeyDialog() {
  input.value = key.get();
  dialog.returnValue = "";
  dialog.showModal();
  input.select();
}

document.getElementById("key-open").onclick = openKeyDialog;

dialog.addEventListener("close", () => {
  const given = input.value.trim();
  input.value = "";
  if (dialog.returnValue !== "keep") return;
  key.set(given);
  for (const listener of listeners) listener();
});
