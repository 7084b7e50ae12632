"""Graphs for onnxruntime, made of eager layers: the same formulas, with matrices in few bits.

Shapes as in `layers.py`: B sequences, T new positions, H hidden. Nothing computes here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from vivavoce.engine.qwen3.memory import anonymous
from vivavoce.engine.qwen3.onnx.quantize import block_size, quantize

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from mmap import mmap

    from torch import Tensor, nn

    from vivavoce.engine.qwen3.layers import MLP, Attention, DecoderLayer, RMSNorm

FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32
_NUMBERS = {torch.float32: FLOAT, torch.uint8: TensorProto.UINT8}
_CONTRIB = "com.microsoft"
_OPSETS = {"": 21, _CONTRIB: 1}
_IR_VERSION = 10
"""That of opset 21. Left to itself, onnx writes its newest, which onnxruntime may not read yet."""

FULL_BITS = 32


class Graph:
    """A graph in the making. Values are known by names.

    `matrices` are kept outside of the model, as if in files of those names: the model itself may
    not exceed 2 GB, and would be copied several times.
    """

    def __init__(self, bits: int) -> None:
        self.matrices: dict[str, mmap] = {}
        self._bits = bits
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def input(self, name: str, kind: int, shape: list[str | int]) -> str:
        """Declare an input; dimensions that vary have a name."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, shape: list[str | int]) -> None:
        """Declare that a value, of fp32 numbers, is an output."""
        self._outputs.append(helper.make_tensor_value_info(name, FLOAT, shape))

    def node(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **more: Any) -> Any:
        """Add an operation; return the name of its output, or of all if there are several."""
        number = len(self._nodes)
        names = [f"{kind}_{number}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, domain=domain, **more))
        return names[0] if outputs == 1 else names

    def rename(self, old: str, new: str) -> None:
        """Give the output of the last operation a name of its own."""
        names = self._nodes[-1].output
        names[list(names).index(old)] = new

    def constant(self, value: Tensor) -> str:
        """Return a small tensor."""
        name = f"constant_{len(self._constants)}"
        value = value.float() if value.is_floating_point() else value
        self._constants.append(numpy_helper.from_array(value.numpy(), name))
        return name

    def reshape(self, x: str, shape: list[int]) -> str:
        """Reshape; 0 keeps a dimension, -1 is what is left."""
        return self.node("Reshape", x, self.constant(torch.tensor(shape)))

    def split(self, x: str, sizes: list[int]) -> list[str]:
        """Cut the last dimension into parts of such sizes."""
        ends = self.constant(torch.tensor(sizes))
        return self.node("Split", x, ends, outputs=len(sizes), axis=-1)

    def linear(self, x: str, weights: Sequence[Tensor], bias: Tensor | None = None) -> str:
        """Multiply x [..., K] by weights [n, K], the rows of all of them: [..., N]."""
        rows, width = sum(map(len, weights)), weights[0].shape[1]
        if self._bits == FULL_BITS:
            name, matrix = self._matrix(torch.float32, (width, rows))
            torch.cat([weight.float().T for weight in weights], dim=1, out=matrix)
            y = self.node("MatMul", x, name)
            return y if bias is None else self.node("Add", y, self.constant(bias))
        size = block_size(width)
        in_bits, values = self._matrix(torch.uint8, (rows, width // size, size * self._bits // 8))
        scaled_by, scales = self._matrix(torch.float32, (rows, width // size))
        quantize(weights, self._bits, values, scales)
        return self.node(
            "MatMulNBits",
            *(x, in_bits, scaled_by),
            *(() if bias is None else ("", "", self.constant(bias))),
            domain=_CONTRIB,
            N=rows,
            K=width,
            bits=self._bits,
            block_size=size,
            accuracy_level=4,  # inputs in 8 bits: otherwise it is no faster than without rounding
        )

    def norm(self, norm: RMSNorm, x: str, added: str | None) -> tuple[str, str]:
        """Return the norm of the sum of `x` and what is to be added to it; and that sum."""
        weight = self.constant(norm.weight)
        if added is None:
            y = self.node("SimplifiedLayerNormalization", x, weight, axis=-1, epsilon=norm.eps)
            return y, x
        y, _, _, total = self.node(
            "SkipSimplifiedLayerNormalization",
            *(x, added, weight),
            outputs=4,
            domain=_CONTRIB,
            epsilon=norm.eps,
        )
        return y, total

    def model(self) -> onnx.ModelProto:
        """Return the whole, with places left for the matrices."""
        return helper.make_model(
            helper.make_graph(self._nodes, "qwen3", self._inputs, self._outputs, self._constants),
            opset_imports=[helper.make_opsetid(*opset) for opset in _OPSETS.items()],
            ir_version=_IR_VERSION,
        )

    def _matrix(self, dtype: torch.dtype, shape: tuple[int, ...]) -> tuple[str, Tensor]:
        """Return the name of a matrix and where its values are to be written."""
        name = f"matrix_{len(self.matrices)}"
        memory = anonymous(math.prod(shape) * dtype.itemsize)
        self.matrices[name] = memory
        place = TensorProto(
            name=name,
            data_type=_NUMBERS[dtype],
            dims=shape,
            data_location=TensorProto.EXTERNAL,
        )
        place.external_data.add(key="location", value=name)
        self._constants.append(place)
        return name, torch.frombuffer(memory, dtype=dtype).view(shape)


def linear(module: nn.Linear, bits: int) -> Graph:
    """Return the graph of one matrix: x [rows, K] to y [rows, N]."""
    rows, width = module.weight.shape
    graph = Graph(bits)
    x = graph.input("x", FLOAT, ["rows", width])
    y = graph.linear(x, [module.weight], module.bias)
    graph.rename(y, "y")
    graph.output("y", ["rows", rows])
    return graph


def transformer(layers: Iterable[DecoderLayer], norm: RMSNorm, bits: int) -> Graph:
    """Return the graph of some layers and the norm after them: x [B, T, H] to y [B, T, H].

    Further inputs: `last` [B], int32, where each sequence's last position stands; `span` [1],
    int32, what all of them are below; `cos` and `sin` [at least span, head_dim / 2]; and of each
    layer n the cache, `keys_n` and `values_n` [B, kv_heads, capacity, head_dim], which is also an
    output, `new_keys_n` and `new_values_n`: to be the same memory.
    """
    graph = Graph(bits)
    width = norm.weight.shape[0]
    hidden: list[str | int] = ["batch", "length", width]
    x = graph.input("x", FLOAT, hidden)
    graph.input("last", INT32, ["batch"])
    graph.input("span", INT32, [1])
    for name in ("cos", "sin"):
        graph.input(name, FLOAT, ["positions", "half"])
    added = None
    for number, layer in enumerate(layers):
        y, x = graph.norm(layer.input_layernorm, x, added)
        added = _attention(graph, layer.self_attn, y, number)
        y, x = graph.norm(layer.post_attention_layernorm, x, added)
        added = _mlp(graph, layer.mlp, y)
    y, _ = graph.norm(norm, x, added)
    graph.rename(y, "y")
    graph.output("y", hidden)
    return graph


def _attention(graph: Graph, a: Attention, x: str, number: int) -> str:
    cache: list[str | int] = ["batch", a.kv_heads, "capacity", a.head_dim]
    old = [graph.input(f"{name}_{number}", FLOAT, cache) for name in ("keys", "values")]
    parts = [part.weight for part in (a.q_proj, a.k_proj, a.v_proj)]
    q, k, v = graph.split(graph.linear(x, parts), [len(part) for part in parts])
    y, *new = graph.node(
        "GroupQueryAttention",
        *(_norm_heads(graph, a.q_norm, q), _norm_heads(graph, a.k_norm, k), v),
        *(*old, "last", "span", "cos", "sin"),
        outputs=3,
        domain=_CONTRIB,
        num_heads=a.heads,
        kv_num_heads=a.kv_heads,
        do_rotary=1,
    )
    for name, before in zip(new, old, strict=True):
        graph.rename(name, f"new_{before}")
        graph.output(f"new_{before}", cache)
    return graph.linear(y, [a.o_proj.weight])


def _norm_heads(graph: Graph, norm: RMSNorm, x: str) -> str:
    """Norm x [B, T, heads * D] over each head."""
    heads = graph.reshape(x, [0, 0, -1, norm.weight.shape[0]])
    return graph.reshape(graph.norm(norm, heads, None)[0], [0, 0, -1])


def _mlp(graph: Graph, mlp: MLP, x: str) -> str:
    parts = [mlp.gate_proj.weight, mlp.up_proj.weight]
    gate, up = graph.split(graph.linear(x, parts), [len(part) for part in parts])
    gate = graph.node("QuickGelu", gate, domain=_CONTRIB, alpha=1.0)  # which is SiLU
    return graph.linear(graph.node("Mul", gate, up), [mlp.down_proj.weight])
