"""The voice that comes inside the package: hibari-tts, 24 kHz English, on one CPU thread."""
