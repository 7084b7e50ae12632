"""Qwen3-TTS (12 Hz) in PyTorch. The only package that imports torch."""
