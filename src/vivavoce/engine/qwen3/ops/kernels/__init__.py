"""The operations as Triton kernels, for CUDA devices. See docs/kernels.md.

With TRITON_INTERPRET=1 in the environment when this is imported they run on the processor:
slowly, and right in fp32 alone.
"""

from vivavoce.engine.qwen3.ops.kernels.codec import convolve, extend
from vivavoce.engine.qwen3.ops.kernels.embedding import embed_sum
from vivavoce.engine.qwen3.ops.kernels.frame_attention import attend_frame
from vivavoce.engine.qwen3.ops.kernels.norm import rms_norm
from vivavoce.engine.qwen3.ops.kernels.paged_attention import attend_paged
from vivavoce.engine.qwen3.ops.kernels.products import gate_up, linear
from vivavoce.engine.qwen3.ops.kernels.sampling import sample

__all__ = [
    "attend_frame",
    "attend_paged",
    "convolve",
    "embed_sum",
    "extend",
    "gate_up",
    "linear",
    "rms_norm",
    "sample",
]
