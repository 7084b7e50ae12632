"""Tests in Triton's interpreter, where kernels run on the processor.

It must be wanted before Triton is imported, so `test_kernels.py` runs these in a process of theirs.
"""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]
