// A voice of a recording: chosen or recorded, checked, saved, used.

import { askJson } from "./api.js";
import { chooseVoice, readChoices } from "./choices.js";
import { attempt, button, make, showNumbers, tell } from "./messages.js";
import { startRecorder } from "./recorder.js";
import { cloneSnippets, showSnippets } from "./snippets.js";
import { hearVoice } from "./voices.js";

const part = (name) => document.getElementById(`clone-${name}`);
const message = part("message");
let recorded = null;

function show(file) {
  const audio = part("heard");
  if (audio.src) URL.revokeObjectURL(audio.src);
  audio.hidden = !file;
  if (file) audio.src = URL.createObjectURL(file);
}

async function clone() {
  const file = recorded ?? part("file").files[0];
  if (!file) throw new Error("There is no recording yet. Choose a file, or record one.");
  const said = { name: part("name").value.trim() };
  const words = part("words").value.trim();
  if (words) said.transcript = words;
  const consent = await sendConsent(said.name);
  if (consent) said.consent = consent;
  tell(message, "Listening to the recording.");
  const form = new FormData();
  form.append("audio_sample", file);
  for (const [name, value] of Object.entries(said)) form.append(name, value);
  const voice = await askJson("v1/audio/voices", { method: "POST", form });
  await readChoices(voice.id);
  tell(message, `${voice.name} is saved, and chosen for what you speak next.`);
  showMade(part("result"), message, voice, cloneSnippets(file.name, said));
}

/** Upload the consent if there is one, and return its id. */
async function sendConsent(name) {
  const file = document.getElementById("consent-file").files[0];
  if (!file) return "";
  const form = new FormData();
  form.append("recording", file);
  form.append("name", name);
  form.append("language", document.getElementById("consent-language").value);
  return (await askJson("v1/audio/voice_consents", { method: "POST", form })).id;
}

/**
 * Show a voice that was made: what was found in its recording, and what can be done now. `message`
 * is where it is told if that fails.
 */
export function showMade(place, message, voice, snippets) {
  const hear = button("Hear it", (event) => attempt(message, event.currentTarget, () => hearVoice(voice.id)));
  const use = button("Speak with it", () => {
    chooseVoice(voice.id);
    document.getElementById("text").focus();
  });
  const more = make("div");
  place.replaceChildren(...verdictOf(voice.reference), make("p", { className: "buttons" }, hear, use), more);
  showSnippets(more, snippets);
}

function verdictOf(found) {
  if (!found) return [];
  const line = make("p", {}, "The recording is ", make("span", { className: `verdict ${found.verdict}` }, found.verdict), ".");
  const numbers = make("dl", { className: "numbers" });
  showNumbers(numbers, {
    Length: `${found.duration_s} s`,
    Speech: found.speech_s === undefined ? null : `${found.speech_s} s`,
    Level: found.level_db === undefined ? null : `${found.level_db} dB`,
    "Above noise": found.snr_db === undefined || found.snr_db === null ? null : `${found.snr_db} dB`,
  });
  const remarks = make("ul", {}, ...(found.remarks ?? []).map((remark) => make("li", {}, remark)));
  return remarks.children.length ? [line, numbers, remarks] : [line, numbers];
}

/** Make the form work. */
export function startClone() {
  part("file").addEventListener("change", () => {
    recorded = null;
    show(part("file").files[0]);
  });
  startRecorder(document.getElementById("record"), document.getElementById("record-hint"), (file) => {
    recorded = file;
    part("file").value = "";
    show(file);
  });
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(message, event.target, clone);
  });
}
