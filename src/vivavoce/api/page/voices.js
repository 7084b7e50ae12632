// The voices there are: heard, used, renamed, deleted, carried to another server and back.

import { ask, askJson } from "./api.js";
import { chooseVoice, onChoices, readChoices } from "./choices.js";
import { attempt, button, make, tell } from "./messages.js";
import { save } from "./recording.js";

const list = document.getElementById("voice-list");
const message = document.getElementById("voices-message");
const path = (id) => `v1/audio/voices/${encodeURIComponent(id)}`;
const KINDS = { audio_sample: "of a recording", prompt: "of a description", blend: "a blend", preset: "preset" };
let sounding = null;

/** Play a voice's preview. Throws ServerError. */
export async function hearVoice(id) {
  sounding?.pause();
  const answer = await ask(`${path(id)}/preview?response_format=mp3`);
  const audio = new Audio(URL.createObjectURL(await answer.blob()));
  audio.onended = () => URL.revokeObjectURL(audio.src);
  sounding = audio;
  await audio.play();
}

function row(voice) {
  const about = [KINDS[voice.type] ?? voice.type, voice.description].filter(Boolean).join(": ");
  const buttons = make("p", { className: "buttons" });
  const item = make("li", {}, make("strong", {}, voice.name), make("div", { className: "about" }, about), buttons);
  const add = (text, action) => buttons.append(button(
    text, (event) => attempt(message, event.currentTarget, action), `${text} ${voice.name}`,
  ));
  add("Use", () => {
    chooseVoice(voice.id);
    document.getElementById("text").focus();
  });
  add("Preview", () => hearVoice(voice.id));
  if (voice.type === "preset") return item;
  add("Rename", () => askForName(item, voice));
  add("Export", async () => save(await (await ask(`${path(voice.id)}/export`)).blob(), `${voice.name}.zip`));
  add("Delete", () => confirmAndDelete(voice));
  return item;
}

function askForName(item, voice) {
  if (item.querySelector("form")) return;
  const input = make("input", { value: voice.name, required: true, maxLength: 100 });
  input.setAttribute("aria-label", `New name of ${voice.name}`);
  const form = make("form", {}, input, make("button", {}, "Rename"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(message, form, async () => {
      const changed = await askJson(path(voice.id), { method: "PATCH", json: { name: input.value.trim() } });
      await readChoices();
      tell(message, `${voice.name} is now ${changed.name}.`);
    });
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && form.remove());
  item.append(form);
  input.select();
}

async function confirmAndDelete(voice) {
  const dialog = document.getElementById("delete-dialog");
  document.getElementById("delete-text").textContent = `${voice.name} and all that was made of it will be gone. An export keeps it.`;
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue !== "delete") return;
  await ask(path(voice.id), { method: "DELETE" });
  await readChoices();
  tell(message, `${voice.name} is deleted.`);
}

async function importVoice(form) {
  const body = new FormData();
  body.append("file", document.getElementById("import-file").files[0]);
  const voice = await askJson("v1/audio/voices/import", { method: "POST", form: body });
  await readChoices(voice.id);
  form.reset();
  tell(message, `${voice.name} is here, and chosen for what you speak next.`);
}

/** Make the list and the form work. */
export function startVoices() {
  onChoices(({ voices }) => {
    const saved = voices.filter((voice) => voice.type !== "preset");
    const presets = voices.filter((voice) => voice.type === "preset");
    list.replaceChildren(...[...saved, ...presets].map(row));
  });
  document.getElementById("import-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(message, event.target, () => importVoice(event.target));
  });
}
