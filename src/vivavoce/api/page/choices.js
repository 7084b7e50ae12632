// What can be chosen: models, voices, languages, and what the engine in use lacks.

import { askJson } from "./api.js";

const field = (id) => document.getElementById(id);
const listeners = [];
const known = { models: [], voices: [] };

/** Have something done with the lists whenever they were read anew. */
export function onChoices(listener) {
  listeners.push(listener);
}

/** Read models and voices from the server. `voice` is to be chosen then. Throws ServerError. */
export async function readChoices(voice = field("voice").value) {
  const [models, voices] = await Promise.all([askJson("v1/models"), askJson("v1/audio/voices")]);
  known.models = models.data;
  known.voices = voices.data;
  showModels(known.models);
  showVoices(known.voices, voice);
  showAbilities();
  for (const listener of listeners) listener(known);
}

/** Return the name of a voice; its id if it is not in the lists. */
export function voiceName(id) {
  return known.voices.find((voice) => voice.id === id)?.name ?? id;
}

/** Choose a voice for what is spoken next. */
export function chooseVoice(id) {
  field("voice").value = id;
  showAbilities();
}

/** Return what was chosen, as fields of a request; what says nothing is left out. */
export function chosen() {
  const speed = Number(field("speed").value);
  const fields = {
    model: field("model").value,
    voice: field("voice").value,
    language: field("language").value,
    speed: speed === 1 ? "" : speed,
    instructions: field("instructions").disabled ? "" : field("instructions").value.trim(),
    seed: field("seed").value.trim() === "" ? "" : Number(field("seed").value),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

function option(value, text, selected = false) {
  return new Option(text, value, selected, selected);
}

function group(label, options) {
  const made = document.createElement("optgroup");
  made.label = label;
  made.append(...options);
  return made;
}

function showModels(models) {
  const select = field("model");
  const before = select.value;
  const own = models.filter((model) => model.alias_of === null);
  const names = models.filter((model) => model.alias_of !== null);
  select.replaceChildren(
    option("", `Default: ${own[0]?.id ?? "none"}`),
    group("Models", own.map((model) => option(model.id, model.id))),
    group("Other names of the default", names.map((model) => option(model.id, model.id))),
  );
  select.value = before;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

function showVoices(voices, wanted) {
  const select = field("voice");
  const saved = voices.filter((voice) => voice.type !== "preset");
  const presets = voices.filter((voice) => voice.type === "preset");
  const options = (list) => list.map((voice) => option(voice.id, voice.name));
  select.replaceChildren();
  if (saved.length) select.append(group("Saved", options(saved)));
  select.append(group("Preset", options(presets)));
  select.value = wanted;
  if (select.selectedIndex < 0) select.value = presets[0]?.id ?? "";
}

/** The model that will speak: the one named, else the voice's own. */
function speaking() {
  const named = field("model").value;
  const voice = known.voices.find((one) => one.id === field("voice").value);
  const id = voice?.model ?? named;
  return known.models.find((model) => model.id === id) ?? known.models[0];
}

function showAbilities() {
  const model = speaking();
  if (!model) return;
  const input = field("instructions");
  const lacking = model.lacking.instructions;
  input.disabled = Boolean(lacking);
  field("instructions-hint").textContent = lacking ?? "";
  showLanguages(model.language);
  for (const [need, id] of [["clone", "clone"], ["design", "describe"], ["blend", "blend"]]) {
    const why = known.models[0].lacking[need];
    const line = field(`${id}-lacking`);
    line.hidden = !why;
    line.textContent = why ?? "";
    field(`${id}-form`).querySelector("fieldset").disabled = Boolean(why);
  }
}

function showLanguages(codes) {
  const select = field("language");
  const before = select.value;
  const names = codes.map((code) => [code, languageName(code)]);
  names.sort((one, other) => one[1].localeCompare(other[1]));
  select.replaceChildren(option("", "Auto"), ...names.map(([code, name]) => option(code, name)));
  select.value = before;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code.replaceAll("_", " ");
  }
}

field("voice").addEventListener("change", showAbilities);
field("model").addEventListener("change", showAbilities);
field("speed").addEventListener("input", (event) => {
  field("speed-value").textContent = Number(event.target.value).toFixed(2).replace(/0$/, "");
});
