"""vivavoce's Qwen3-TTS and the official package, qwen-tts 0.1.1, as plain functions on one machine.

Time for a frame, time to load and memory, side by side. Nothing of a server, nothing of quality:
that both make the same codes is what `tests/engine/qwen3` is about.
"""
