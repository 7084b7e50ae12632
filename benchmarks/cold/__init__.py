"""From a request to its first byte of audio, with nothing loaded: how long, and where it goes.

The server runs and has unloaded its model; the files of the weights are in the system's cache.
"""
