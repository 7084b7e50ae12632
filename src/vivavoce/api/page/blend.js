// A blend of preset voices: their shares, a name, and then a voice like any other.

import { askJson } from "./api.js";
import { onChoices, readChoices } from "./choices.js";
import { showMade } from "./clone.js";
import { attempt, make, tell } from "./messages.js";
import { blendSnippets } from "./snippets.js";

const MOST = 8;
const part = (name) => document.getElementById(`blend-${name}`);
let presets = [];

/** Add a line for one more voice: the next of the presets, in equal parts with the others. */
function addVoice() {
  const number = part("voices").children.length + 1;
  const select = make("select", {}, ...options());
  select.selectedIndex = (number - 1) % presets.length;
  select.setAttribute("aria-label", `Voice ${number}`);
  const share = make("input", { type: "range", min: 0, max: 100, step: 5, value: 50 });
  share.setAttribute("aria-label", `Share of voice ${number}`);
  share.addEventListener("input", showShares);
  part("voices").append(make("li", {}, select, share, make("output")));
  part("add").disabled = number >= MOST;
  showShares();
}

function options() {
  return presets.map((voice) => new Option(voice.name, voice.id));
}

function lines() {
  return [...part("voices").children].map((line) => {
    const [select, share, output] = line.children;
    return { select, share: Number(share.value), output };
  });
}

function showShares() {
  const total = lines().reduce((sum, { share }) => sum + share, 0);
  for (const { share, output } of lines()) {
    output.value = total ? `${Math.round((100 * share) / total)} %` : "0 %";
  }
}

/** Return what is mixed: voices and their shares. One that is there twice has both. */
function shares() {
  const mixed = {};
  for (const { select, share } of lines()) {
    if (share) mixed[select.value] = (mixed[select.value] ?? 0) + share / 100;
  }
  if (!Object.keys(mixed).length) throw new Error("All shares are 0. Give one voice more.");
  return mixed;
}

async function blend() {
  const said = { type: "blend", name: part("name").value.trim(), blend: shares() };
  const voice = await askJson("v1/audio/voices", { method: "POST", json: said });
  await readChoices(voice.id);
  tell(part("message"), `${voice.name} is saved, and chosen for what you speak next.`);
  showMade(part("result"), part("message"), voice, blendSnippets(said));
}

/** Take the presets there are now; what was chosen stays. */
function offer(voices) {
  presets = voices.filter((voice) => voice.type === "preset");
  if (!presets.length) return;
  for (const { select } of lines()) {
    const before = select.value;
    select.replaceChildren(...options());
    select.value = before;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }
  while (part("voices").children.length < 2) addVoice();
}

/** Make the form work. */
export function startBlend() {
  onChoices(({ voices }) => offer(voices));
  part("add").onclick = () => {
    addVoice();
    part("voices").lastChild.firstChild.focus();
  };
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(part("message"), event.target, blend);
  });
}
