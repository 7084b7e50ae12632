"""Wyoming, the protocol by which Home Assistant speaks to voices: beside HTTP, the same service."""
