// How the server is: its queue, its models and the memory they hold.

import { ask, askJson } from "./api.js";
import { attempt, button, make, showNumbers, tell, tellError } from "./messages.js";

const EVERY_MS = 4000;
const list = document.getElementById("model-list");
const message = document.getElementById("server-message");
const rows = new Map();

function size(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

function show(health) {
  showNumbers(document.getElementById("server-numbers"), {
    Version: health.version,
    GPU: health.gpu_name ?? "none",
    "GPU memory held": health.gpu_allocated_mb ? size(health.gpu_allocated_mb * 1e6) : null,
    Running: health.running,
    Waiting: `${health.queue_depth} of ${health.max_queue_depth}`,
    "Cached audio": `${health.audio_cache_size} (${size(health.audio_cache_bytes)})`,
    "Cache hits": health.audio_cache_hits,
    State: health.draining ? "shutting down" : null,
  });
  for (const model of health.models) showModel(model);
}

/** Update a model's row in place: its button must not lose the keyboard's focus. */
function showModel(model) {
  if (!rows.has(model.id)) {
    const about = make("div", { className: "about" });
    const load = button("", () => act(model.id, load));
    list.append(make("li", {}, make("strong", {}, model.id), about, make("p", { className: "buttons" }, load)));
    rows.set(model.id, { about, load });
  }
  const { about, load } = rows.get(model.id);
  about.textContent = described(model).join(" · ");
  load.textContent = model.worker ? "Unload" : "Load";
  load.setAttribute("aria-label", `${load.textContent} ${model.id}`);
}

function described({ engine, state, failure, loading, worker }) {
  const told = [engine, state === "absent" ? "not loaded" : state];
  if (loading) told.push(`${loading.stage} ${percent(loading)}`);
  if (worker) {
    told.push(`process ${worker.pid}`, `memory ${size(worker.memory_bytes)}`);
    if (worker.gpu_bytes) told.push(`GPU ${size(worker.gpu_bytes)}`);
    told.push(`${worker.active_requests} under way`);
  }
  if (failure) told.push(failure);
  return told;
}

function percent({ done_bytes: done, total_bytes: total }) {
  return total ? `${Math.round((100 * done) / total)} %` : "";
}

function act(id, control) {
  const what = control.textContent.toLowerCase();
  return attempt(message, control, async () => {
    tell(message, what === "load" ? `${id} is being loaded.` : "");
    await ask(`v1/models/${id}/${what}`, { method: "POST" });
    tell(message, `${id} is ${what}ed.`);
    await refresh();
  });
}

let lost = false;

async function refresh() {
  try {
    show(await askJson("health"));
    if (lost) tell(message, "The server is back.");
    lost = false;
  } catch (error) {
    if (!lost) tellError(message, error);
    lost = true;
  }
}

/** Keep the section current while the page is looked at. */
export function startStatus() {
  refresh();
  setInterval(() => document.visibilityState === "visible" && refresh(), EVERY_MS);
}
