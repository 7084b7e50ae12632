// Puts the parts together.

import { startBlend } from "./blend.js";
import { readChoices } from "./choices.js";
import { startClone } from "./clone.js";
import { startDescribe } from "./describe.js";
import { onNewKey } from "./key.js";
import { startLive } from "./live.js";
import { tell, tellError } from "./messages.js";
import { startSpeech } from "./speech.js";
import { startStatus } from "./status.js";
import { startVoices } from "./voices.js";

const message = document.getElementById("page-message");

async function begin() {
  try {
    await readChoices();
    tell(message, "");
  } catch (error) {
    tellError(message, error);
  }
}

startSpeech();
startLive();
startVoices();
startClone();
startDescribe();
startBlend();
startStatus();
onNewKey(begin);
begin();
