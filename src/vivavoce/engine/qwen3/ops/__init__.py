"""The operations that a frame is made of, in plain torch and as Triton kernels; see `base`.

`choose` says which of the two a device computes with.
"""
