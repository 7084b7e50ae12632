"""Tests in Triton's interpreter, where kernels run on the processor.

It must be wanted before Triton is imported, so `test_kernels.py` runs these in a process of theirs.
"""

import os

collect_ignore_glob = ["test_*.py"]
if os.environ.get("TRITON_INTERPRET") == "1":
    from engine.qwen3.interpreted import bf16

    bf16.repair()
    collect_ignore_glob = []
