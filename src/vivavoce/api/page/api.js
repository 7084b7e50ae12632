// The server: where it is, the key for it, and its errors as people can read them.

const KEY = "vivavoce-api-key";

/** A refusal or a failure, with the server's own message. `status` is 0 if it was not reached. */
export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY),
};

/** Return the absolute address of a path; relative to this page, so a proxy may put it anywhere. */
export function address(path) {
  return new URL(path, document.baseURI).href;
}

/** Return the answer to a request. Throws ServerError if it is none of 2xx. */
export async function ask(path, { method = "GET", json, form, signal } = {}) {
  const headers = {};
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const body = json === undefined ? form : JSON.stringify(json);
  let answer;
  try {
    answer = await fetch(address(path), { method, headers, body, signal, cache: "no-store" });
  } catch (error) {
    throw unreached(error);
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

/** As `ask`, and read the answer's JSON. */
export async function askJson(path, options) {
  return (await ask(path, options)).json();
}

/** Yield the bytes of an answer's body as they come. Throws ServerError if it is cut. */
export async function* bytesOf(answer) {
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "The answer was cut in the middle: its generation failed, or the server ended. Its log says why.");
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Open the socket of live speech. A browser can send a key along only as a protocol's name. */
export function openSocket() {
  const url = address("v1/audio/speech/ws").replace(/^http/, "ws");
  const protocols = key.get() ? ["realtime", `openai-insecure-api-key.${key.get()}`] : [];
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  return socket;
}

function unreached(error) {
  if (error.name === "AbortError") return error;
  return new ServerError(0, "The server cannot be reached. Is it still running?");
}

async function refusal(answer) {
  let message = "";
  try {
    message = (await answer.json()).error.message;
  } catch {
    message = `The server answered ${answer.status} ${answer.statusText}.`;
  }
  return new ServerError(answer.status, message);
}
