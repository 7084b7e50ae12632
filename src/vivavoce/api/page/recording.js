// PCM that was received: kept, and written as a WAV file.

/** All samples of one answer. */
export class Recording {
  #pieces = [];

  constructor(rateHz) {
    this.rateHz = rateHz;
    this.length = 0;
  }

  add(samples) {
    this.#pieces.push(samples);
    this.length += samples.length;
  }

  get seconds() {
    return this.length / this.rateHz;
  }

  /** Return the bytes, little-endian as every browser's machine is. */
  pcm() {
    const all = new Int16Array(this.length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return new Uint8Array(all.buffer);
  }

  /** Return a WAV file: 44 bytes of header, then the samples. */
  wav() {
    const pcm = this.pcm();
    const header = new DataView(new ArrayBuffer(44));
    const text = (at, letters) => [...letters].forEach((letter, n) => header.setUint8(at + n, letter.charCodeAt(0)));
    text(0, "RIFF");
    header.setUint32(4, 36 + pcm.length, true);
    text(8, "WAVEfmt ");
    header.setUint32(16, 16, true);
    header.setUint16(20, 1, true); // PCM
    header.setUint16(22, 1, true); // one channel
    header.setUint32(24, this.rateHz, true);
    header.setUint32(28, this.rateHz * 2, true);
    header.setUint16(32, 2, true);
    header.setUint16(34, 16, true);
    text(36, "data");
    header.setUint32(40, pcm.length, true);
    return new Blob([header, pcm], { type: "audio/wav" });
  }
}

/** Have the browser save a blob under a name. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
