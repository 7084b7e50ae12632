// Sound as it comes: pieces of 16-bit mono PCM in, one gapless sound out.

const LEAD_S = 0.06;
const AGAIN_S = 0.25;

/** Plays pieces one after another. Make it while a click or a key is handled: browsers want that. */
export class Player {
  #context;
  #sources = new Set();
  #next = 0;
  #began = 0;
  #odd = null;
  #played = 0;

  constructor(rateHz) {
    // At the sound's own rate, so that nothing is resampled piece by piece, which would click.
    this.#context = new AudioContext({ sampleRate: rateHz });
    this.#context.resume(); // some browsers begin suspended
    this.rateHz = rateHz;
    /** How often sound was due that had not come. */
    this.gaps = 0;
    this.onended = () => {};
  }

  /** Play bytes after all that came before; they may end in the middle of a sample. */
  add(bytes) {
    const samples = this.#samples(bytes);
    if (samples.length === 0) return samples;
    const buffer = this.#context.createBuffer(1, samples.length, this.rateHz);
    buffer.getChannelData(0).set(Float32Array.from(samples, (value) => value / 32768));
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#context.destination);
    const now = this.#context.currentTime;
    if (this.#next < now) {
      const first = this.#next === 0;
      this.gaps += first ? 0 : 1;
      this.#next = now + (first ? LEAD_S : AGAIN_S);
      this.#began = this.#next - this.#played;
    }
    source.start(this.#next);
    this.#next += buffer.duration;
    this.#played += buffer.duration;
    this.#sources.add(source);
    source.onended = () => {
      this.#sources.delete(source);
      if (this.#sources.size === 0) this.onended();
    };
    return samples;
  }

  /** How much has been heard, in seconds. */
  get position() {
    return this.#next === 0 ? 0 : Math.max(0, Math.min(this.#played, this.#context.currentTime - this.#began));
  }

  /** Whether something is left to be heard. */
  get sounding() {
    return this.#sources.size > 0;
  }

  get paused() {
    return this.#context.state === "suspended";
  }

  pause() {
    return this.#context.suspend();
  }

  resume() {
    return this.#context.resume();
  }

  /** Be silent, at once, about all that came so far; what comes then is heard. */
  silence() {
    for (const source of this.#sources) {
      source.onended = null;
      source.stop();
    }
    this.#sources.clear();
    this.#next = 0;
    this.#played = 0;
    this.#odd = null;
  }

  /** Be silent for good. */
  async close() {
    this.silence();
    if (this.#context.state !== "closed") await this.#context.close();
  }

  #samples(bytes) {
    const joined = new Uint8Array(bytes.length + (this.#odd === null ? 0 : 1));
    if (this.#odd !== null) joined[0] = this.#odd;
    joined.set(bytes, joined.length - bytes.length);
    const count = joined.length >> 1;
    this.#odd = joined.length % 2 ? joined[joined.length - 1] : null;
    const view = new DataView(joined.buffer);
    return Int16Array.from({ length: count }, (_, n) => view.getInt16(2 * n, true));
  }
}
