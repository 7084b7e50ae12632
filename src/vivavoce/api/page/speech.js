// Speaking a text: heard while it is generated, drawn, measured, saved.

import { ask, bytesOf } from "./api.js";
import { chosen, voiceName } from "./choices.js";
import { attempt, showNumbers, tell, tellError } from "./messages.js";
import { Player } from "./player.js";
import { Recording, save } from "./recording.js";
import { showSnippets, speechSnippets } from "./snippets.js";
import { Waveform } from "./waveform.js";

const part = (name) => document.getElementById(name);
const message = part("speak-message");
const RATE_HZ = 24000;
let now = null; // what was asked for last: {body, abort, player, done, and once it answers ...}
let heard = null; // the last of which something came: what is shown, saved, played again

/** Speak what is in the form. What was being spoken ends. */
async function speak() {
  stop();
  const body = { input: part("text").value, ...chosen(), response_format: "pcm" };
  const said = { body, abort: new AbortController(), player: new Player(RATE_HZ), done: false };
  now = said;
  part("speak-pause").disabled = part("speak-stop").disabled = false;
  tell(message, "Waiting for the first sound.");
  said.asked = performance.now();
  try {
    await receive(said);
    if (now === said) tell(message, finished(said));
  } catch (error) {
    said.done = true;
    if (now !== said) return;
    tellError(message, error);
    if (!said.player.sounding) quiet(said);
  }
}

async function receive(said) {
  const answer = await ask("v1/audio/speech", { method: "POST", json: said.body, signal: said.abort.signal });
  const rateHz = Number(answer.headers.get("x-pcm-sample-rate"));
  if (rateHz !== said.player.rateHz) {
    await said.player.close();
    said.player = new Player(rateHz);
  }
  said.headers = answer.headers;
  said.recording = new Recording(rateHz);
  heard = said;
  part("speak-result").hidden = false;
  showSnippets(part("speak-snippets"), speechSnippets(said.body, part("format").value));
  hear(said);
  for await (const bytes of bytesOf(answer)) {
    const samples = said.player.add(bytes);
    said.recording.add(samples);
    said.waveform.add(samples);
    if (said.firstMs === undefined && samples.length) {
      said.firstMs = performance.now() - said.asked;
      if (now === said) tell(message, "Speaking.");
    }
    showAnswer(said);
  }
  said.totalMs = performance.now() - said.asked;
  said.done = true;
  showAnswer(said);
  if (!said.player.sounding) quiet(said);
}

/** Show the waveform of what is heard, until all of it was. */
function hear(said) {
  said.waveform = new Waveform(part("waveform"), said.player.rateHz, () => said.player.position);
  said.waveform.follow(() => now !== said || (said.done && !said.player.sounding));
  said.player.onended = () => said.done && quiet(said);
}

function showAnswer({ firstMs, totalMs, recording, headers, player }) {
  const seconds = recording.seconds;
  showNumbers(part("speak-numbers"), {
    "First audio": firstMs === undefined ? null : `${Math.round(firstMs)} ms`,
    "Real-time factor": totalMs && seconds ? (totalMs / 1000 / seconds).toFixed(3) : "…",
    Duration: `${seconds.toFixed(2)} s`,
    Cache: headers.get("x-cache"),
    Seed: headers.get("x-vivavoce-seed"),
    Voice: voiceName(decodeURIComponent(headers.get("x-vivavoce-voice") ?? "")),
    Gaps: player.gaps || null,
    "Not heeded": headers.get("x-vivavoce-ignored"),
  });
}

function finished({ recording }) {
  return `All is generated: ${recording.seconds.toFixed(1)} seconds.`;
}

/** All was heard, or there was nothing. */
function quiet(said) {
  if (now !== said) return;
  said.waveform?.stop();
  part("speak-pause").disabled = part("speak-stop").disabled = true;
  part("speak-pause").textContent = "Pause";
}

function stop() {
  if (!now) return;
  now.abort.abort();
  now.done = true;
  quiet(now);
  now.player.close();
}

async function pauseOrGoOn() {
  if (!now) return;
  const { player } = now;
  await (player.paused ? player.resume() : player.pause());
  part("speak-pause").textContent = player.paused ? "Go on" : "Pause";
}

/** Play what came, once more, without asking the server. */
function again() {
  if (!heard.done || !now.done) return;
  const { recording } = heard;
  stop();
  now = heard = { ...heard, player: new Player(recording.rateHz) };
  part("speak-pause").disabled = part("speak-stop").disabled = false;
  hear(now);
  const samples = now.player.add(recording.pcm());
  now.waveform.add(samples);
}

async function saveInFormat() {
  const format = part("format").value;
  const seed = Number(heard.headers.get("x-vivavoce-seed"));
  const body = { ...heard.body, seed, response_format: format, stream: false };
  const answer = await ask("v1/audio/speech", { method: "POST", json: body });
  save(await answer.blob(), `speech.${format.replace("g711_", "")}`);
  tell(message, `Saved as ${format}.`);
}

/** Make the form work. */
export function startSpeech() {
  const form = part("speak-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    speak();
  });
  part("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  part("speak-pause").onclick = pauseOrGoOn;
  part("speak-stop").onclick = () => {
    stop();
    tell(message, "Stopped.");
  };
  part("speak-again").onclick = again;
  part("save-wav").onclick = () => save(heard.recording.wav(), "speech.wav");
  part("save-format").onclick = (event) => attempt(message, event.currentTarget, saveInFormat);
  part("format").addEventListener("change", () => {
    part("save-format").textContent = `Download ${part("format").selectedOptions[0].text}`;
    if (heard) showSnippets(part("speak-snippets"), speechSnippets(heard.body, part("format").value));
  });
}
