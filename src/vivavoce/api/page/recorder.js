// A recording from the microphone, where the browser allows one.

import { tell, tellError } from "./messages.js";

const LONGEST_S = 60;

/** Make a button record; each recording is given to `onRecording(file)`. */
export function startRecorder(button, hint, onRecording) {
  if (!window.isSecureContext || !navigator.mediaDevices || !window.MediaRecorder) {
    button.disabled = true;
    tell(hint, "Browsers record only on pages with HTTPS, or on localhost. Upload a file, or put the server behind HTTPS.");
    return;
  }
  let recorder = null;
  button.onclick = async () => {
    if (recorder) {
      recorder.stop();
      return;
    }
    try {
      recorder = await record(hint, (file) => {
        recorder = null;
        button.textContent = "Record";
        onRecording(file);
      });
      button.textContent = "Stop recording";
    } catch (error) {
      tellError(hint, new Error(`The microphone cannot be used: ${error.message}. Allow it in the browser, or upload a file.`));
    }
  };
}

async function record(hint, done) {
  // As it is: what makes calls clear makes voices other.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  const began = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - began) / 1000;
    hint.textContent = `Recording: ${Math.floor(seconds)} s`;
    if (seconds > LONGEST_S) recorder.stop();
  }, 1000);
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.onstop = () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
    tell(hint, "Recorded.");
    const type = recorder.mimeType.split(";")[0];
    done(new File(pieces, `recording.${type.split("/")[1]}`, { type }));
  };
  tell(hint, "Recording.");
  recorder.start();
  return recorder;
}
