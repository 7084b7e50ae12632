"""Running a graph in place: on torch's tensors, copying neither what goes in nor what comes out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import torch

# Wheels of onnxruntime from 1.29 on write a device id and report home unless this is set before
# their import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

if TYPE_CHECKING:
    from torch import Tensor

    from vivavoce.engine.qwen3.onnx.graph import Graph

_NUMBERS = {torch.float32: np.float32, torch.int32: np.int32}


class Session:
    """One graph. Its inputs and outputs are bound to tensors, and stay so from run to run.

    A tensor must be contiguous, on the CPU, and kept by the caller as long as it is bound. Binding
    one anew costs about as much as a small operation: where it is bound already, nothing is done.
    """

    def __init__(self, graph: Graph) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # There is a session for each graph, with threads of its own. By default they would wait
        # for work awake, taking the processor from those of the others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        names, values = list(graph.matrices), list(graph.matrices.values())
        options.add_external_initializers_from_files_in_memory(
            names, values, list(map(len, values))
        )
        self._session = ort.InferenceSession(
            graph.model().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._binding = self._session.io_binding()
        self._bound: dict[str, tuple[int, torch.Size]] = {}

    def bind_input(self, name: str, tensor: Tensor) -> None:
        """Have the graph read a tensor."""
        if self._is_news(name, tensor):
            self._binding.bind_input(name, *_memory(tensor))

    def bind_output(self, name: str, tensor: Tensor) -> None:
        """Have the graph write into a tensor."""
        if self._is_news(name, tensor):
            self._binding.bind_output(name, *_memory(tensor))

    def run(self) -> None:
        """Compute."""
        self._session.run_with_iobinding(self._binding)

    def _is_news(self, name: str, tensor: Tensor) -> bool:
        place = tensor.data_ptr(), tensor.shape
        if self._bound.get(name) == place:
            return False
        self._bound[name] = place
        return True


def _memory(tensor: Tensor) -> tuple[str, int, type, tuple[int, ...], int]:
    assert tensor.is_contiguous()
    return "cpu", 0, _NUMBERS[tensor.dtype], tuple(tensor.shape), tensor.data_ptr()
