"""The kernels compared with plain torch: in Triton's interpreter, or on a card.

The interpreter, in which they run on the processor, must be wanted before Triton is imported. So
`test_kernels.py` runs these in a process of theirs. By themselves they run on a card if there is
one: `pytest tests/engine/qwen3/kernels`.
"""

import pytest
import torch

from engine.qwen3.kernels import interpreter
from engine.qwen3.kernels.near import DEVICE

if interpreter.WANTED:
    interpreter.repair()
runs = interpreter.WANTED or torch.cuda.is_available()
collect_ignore_glob = [] if runs else ["test_*.py"]


def pytest_collection_modifyitems(items):
    if not interpreter.WANTED:
        for item in items:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(autouse=True)
def device():
    """Tensors are made where the kernels run, and products are of whole fp32."""
    before = torch.get_default_device()
    torch.set_default_device(DEVICE)
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.set_default_device(before)
