// What was just done, as a program would do it: curl, and Python with the openai package.

import { address, key } from "./api.js";
import { button, make } from "./messages.js";

const OPENAI_FIELDS = ["input", "model", "voice", "response_format", "speed", "instructions"];

/** Show them, each with a button that copies it. */
export function showSnippets(place, { curl, python }) {
  const open = place.querySelector("details")?.open ?? false;
  const details = make("details", { open }, make("summary", {}, "The same from a program"));
  details.append(...block("curl", curl), ...block("Python", python));
  place.replaceChildren(details);
}

function block(name, text) {
  const copy = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // without HTTPS there is no clipboard
      copy.textContent = "Selected: press Ctrl+C";
    }
  }, `Copy the ${name}`);
  const code = make("pre", { tabIndex: 0, textContent: text });
  code.setAttribute("aria-label", name);
  code.setAttribute("role", "region");
  return [make("div", { className: "code" }, make("strong", {}, name), copy), code];
}

/** Return the snippets of a request for speech. */
export function speechSnippets(body, format) {
  const said = { ...body, response_format: format };
  const file = `speech.${format.replace("g711_", "")}`;
  return {
    curl: curlJson("v1/audio/speech", said, ` -o ${file}`),
    python: [
      ...client(),
      "with client.audio.speech.with_streaming_response.create(",
      ...fields({ model: "tts-1", voice: "alloy", ...said }, OPENAI_FIELDS),
      ") as answer:",
      `    answer.stream_to_file(${python(file)})`,
    ].join("\n"),
  };
}

/** Return the snippets of saving a recording's voice. The package demands a consent, the server may not. */
export function cloneSnippets(fileName, said) {
  const form = Object.entries(said).map(([name, value]) => ` \\\n    --form-string ${shell(`${name}=${value}`)}`);
  return {
    curl: `curl ${shell(address("v1/audio/voices"))}${header()} \\\n    -F ${shell(`audio_sample=@"${fileName}"`)}${form.join("")}`,
    python: [
      ...client(),
      "voice = client.audio.voices.create(",
      `    audio_sample=open(${python(fileName)}, "rb"),`,
      ...fields({ consent: "", ...said }, ["name", "consent"]),
      ")",
      "print(voice.id)",
    ].join("\n"),
  };
}

/** Return the snippets of saving a described voice. */
export function describeSnippets(said) {
  return {
    curl: curlJson("v1/audio/voices", said, ""),
    python: [
      ...client(),
      "voice = client.audio.voices.create(",
      ...fields(said, ["name", "type", "prompt"]),
      ")",
      "print(voice.id)",
    ].join("\n"),
  };
}

/** Return the snippets of saving a blend, which the package knows no call for. */
export function blendSnippets(said) {
  return {
    curl: curlJson("v1/audio/voices", said, ""),
    python: [
      ...client(),
      "voice = client.post(",
      '    "/audio/voices",',
      "    cast_to=object,",
      `    body=${python(said)},`,
      ")",
      'print(voice["id"])',
    ].join("\n"),
  };
}

function curlJson(path, body, end) {
  return `curl ${shell(address(path))}${header()} \\\n    -H "Content-Type: application/json" \\\n    -d ${shell(JSON.stringify(body))}${end}`;
}

function header() {
  return key.get() ? ' \\\n    -H "Authorization: Bearer $VIVAVOCE_API_KEY"' : "";
}

function client() {
  const secret = key.get() ? 'os.environ["VIVAVOCE_API_KEY"]' : '"none"';
  const imports = key.get() ? ["import os", ""] : [];
  return [...imports, "from openai import OpenAI", "", `client = OpenAI(base_url=${python(address("v1"))}, api_key=${secret})`];
}

/** Return the lines of a call's arguments; the package does not know ours, they go along apart. */
function fields(said, theirs) {
  const own = Object.entries(said).filter(([name]) => !theirs.includes(name));
  const lines = Object.entries(said)
    .filter(([name]) => theirs.includes(name))
    .map(([name, value]) => `    ${name}=${python(value)},`);
  if (own.length) {
    lines.push(`    extra_body={${own.map(([name, value]) => `"${name}": ${python(value)}`).join(", ")}},`);
  }
  return lines;
}

function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Return a string or a number as Python writes it; JSON's strings are Python's. */
function python(value) {
  return JSON.stringify(value);
}
