"""The 12 Hz codec: codes to sound and sound to codes."""
