// Words spoken as they are typed, over a WebSocket.

import { key, openSocket, ServerError } from "./api.js";
import { chosen } from "./choices.js";
import { tell, tellError } from "./messages.js";
import { Player } from "./player.js";

const RATE_HZ = 24000;
const box = document.getElementById("live-text");
const message = document.getElementById("live-message");

let socket = null;
let player = null;
let sent = ""; // what the server has of the box
let opened = false; // whether an utterance has begun
let speedSaid = false; // a speed that was said must be said again to be another
let silenced = false; // sound of what was cancelled may still be under way

function say(type, more = {}) {
  socket.send(JSON.stringify({ type, ...more }));
}

/** Open the socket if there is none. What is typed before it is open is sent then. */
function connect() {
  player ??= new Player(RATE_HZ);
  if (player.paused) player.resume();
  if (socket) return;
  tell(message, "Connecting.");
  socket = openSocket();
  let greeted = false;
  socket.onopen = () => {
    greeted = true;
    tell(message, "Connected.");
    sendWords(false);
  };
  socket.onmessage = ({ data }) => (typeof data === "string" ? onEvent(JSON.parse(data)) : hear(data));
  socket.onclose = ({ reason }) => {
    socket = null;
    speedSaid = false;
    sent = "";
    opened = false;
    if (greeted) {
      tell(message, `Disconnected. ${reason} Type to begin anew.`);
    } else {
      const why = key.get() ? "Is the key right, and may it speak?" : "Does it need an API key?";
      tellError(message, new ServerError(401, `The server did not accept the connection. ${why}`));
    }
  };
}

function hear(data) {
  if (!silenced) player.add(new Uint8Array(data));
}

function onEvent(event) {
  if (event.type === "error") {
    sent = "";
    opened = false;
    tellError(message, new Error(event.error.message));
  } else if (event.type === "speech.audio.done") {
    if (event.status === "cancelled") {
      tell(message, "Silenced.");
    } else {
      tell(message, `Spoken: ${event.duration_s.toFixed(1)} seconds, the first after ${Math.round(event.times_ms.first_audio)} ms.`);
    }
  } else if (event.type === "session.updated") {
    silenced = false;
  }
}

/** Send what was typed since; the word that is being typed only if `all`. */
function sendWords(all) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  const text = box.value;
  if (!text.startsWith(sent)) {
    tell(message, "What was sent cannot be unsaid. What is added at the end is spoken.");
    sent = text;
    return;
  }
  const fresh = text.slice(sent.length);
  const ready = all ? fresh : fresh.slice(0, fresh.search(/\s\S*$/) + 1);
  if (!ready) return;
  if (!opened) {
    opened = true;
    const { model, ...wishes } = chosen();
    const reset = { language: null, seed: null, instructions: null, ...(speedSaid ? { speed: 1 } : {}) };
    speedSaid ||= "speed" in wishes;
    say("session.update", { session: { ...reset, ...wishes, model: model ?? null, delivery: "binary" } });
  }
  say("input_text.append", { text: ready });
  sent += ready;
  tell(message, "Speaking.");
}

/** The utterance is complete: have the rest of it spoken, and begin another. */
function endUtterance() {
  if (!box.value.trim()) return;
  connect();
  if (socket.readyState !== WebSocket.OPEN) {
    socket.addEventListener("open", endUtterance, { once: true });
    return;
  }
  sendWords(true);
  say("input_text.flush");
  box.value = "";
  sent = "";
  opened = false;
}

function silence() {
  silenced = true;
  player?.silence();
  if (socket?.readyState === WebSocket.OPEN) say("response.cancel");
  box.value = "";
  sent = "";
  opened = false;
}

/** Make the box work. */
export function startLive() {
  box.addEventListener("input", () => {
    connect();
    sendWords(false);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      endUtterance();
    } else if (event.key === "Escape") {
      silence();
    }
  });
  document.getElementById("live-end").onclick = endUtterance;
  document.getElementById("live-cancel").onclick = silence;
}
