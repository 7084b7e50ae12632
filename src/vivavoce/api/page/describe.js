// A voice of a description: made once, and kept.

import { askJson } from "./api.js";
import { readChoices } from "./choices.js";
import { showMade } from "./clone.js";
import { attempt, tell } from "./messages.js";
import { describeSnippets } from "./snippets.js";

const part = (name) => document.getElementById(`describe-${name}`);

async function describe() {
  const said = { type: "prompt", name: part("name").value.trim(), prompt: part("prompt").value.trim() };
  tell(part("message"), "The voice is being made. It may take a while, a model's load included.");
  const voice = await askJson("v1/audio/voices", { method: "POST", json: said });
  await readChoices(voice.id);
  tell(part("message"), `${voice.name} is saved, and chosen for what you speak next.`);
  showMade(part("result"), part("message"), voice, describeSnippets(said));
}

/** Make the form work. */
export function startDescribe() {
  part("form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(part("message"), event.target, describe);
  });
}
