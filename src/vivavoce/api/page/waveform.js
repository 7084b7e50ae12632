// The picture of a sound, drawn as it comes: loudest sample of each 20 ms, what was heard in colour.

const STEP_S = 0.02;
const SHORTEST_S = 4;
const BAR_PX = 3;

/** Draws on a canvas. `position` is asked for what has been heard, in seconds. */
export class Waveform {
  #canvas;
  #position;
  #peaks = [];
  #rest = 0;
  #loudest = 0;
  #stepSamples;
  #frame = 0;

  constructor(canvas, rateHz, position) {
    this.#canvas = canvas;
    this.#position = position;
    this.#stepSamples = Math.round(rateHz * STEP_S);
    this.draw();
  }

  add(samples) {
    for (const sample of samples) {
      this.#loudest = Math.max(this.#loudest, Math.abs(sample));
      if (++this.#rest === this.#stepSamples) {
        this.#peaks.push(this.#loudest / 32768);
        this.#rest = 0;
        this.#loudest = 0;
      }
    }
    this.draw();
  }

  /** Follow the sound while it is heard, until `ended()`. */
  follow(ended) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let last = -Infinity;
    const step = (now) => {
      if (!calm || now - last > 500) {
        last = now;
        this.draw();
      }
      if (!ended()) this.#frame = requestAnimationFrame(step);
    };
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(step);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.draw();
  }

  draw() {
    const canvas = this.#canvas;
    const dots = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = width * dots;
    canvas.height = height * dots;
    const pen = canvas.getContext("2d");
    pen.scale(dots, dots);
    const colour = getComputedStyle(canvas).color;
    const seconds = Math.max(SHORTEST_S, this.#peaks.length * STEP_S);
    const bars = Math.floor(width / BAR_PX);
    const heard = (this.#position() / seconds) * bars;
    pen.fillStyle = colour;
    for (let bar = 0; bar < bars; bar++) {
      const peak = this.#loudestOf(bar, bars, seconds);
      if (peak === undefined) break;
      const tall = Math.max(1, peak * (height - 8));
      pen.globalAlpha = bar < heard ? 1 : 0.4;
      pen.fillRect(bar * BAR_PX, (height - tall) / 2, BAR_PX - 1, tall);
    }
    const shown = (this.#peaks.length * STEP_S).toFixed(1);
    canvas.setAttribute("aria-label", `Waveform of ${shown} seconds`);
  }

  #loudestOf(bar, bars, seconds) {
    const steps = seconds / STEP_S / bars;
    const first = Math.floor(bar * steps);
    if (first >= this.#peaks.length) return undefined;
    return Math.max(...this.#peaks.slice(first, Math.max(first + 1, Math.floor((bar + 1) * steps))));
  }
}
