"""`WS /v1/audio/speech/ws`: text in as it is written, speech out as it is made."""
