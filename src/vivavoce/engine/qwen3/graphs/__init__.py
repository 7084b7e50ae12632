"""A frame, and a chunk of sound, as CUDA graphs: captured once, replayed for any listeners.

`driver` says what is asked of a device, `frame` is the program that is captured.
"""
