"""Tensors come from a file as they are in it: mapped, converted, laid anew; bit for bit."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from vivavoce.engine.qwen3 import filling
from vivavoce.engine.qwen3.tensors import TensorFile
from vivavoce.engine.qwen3.threads import share
from vivavoce.engine.qwen3.weights import Relaid, check_leftovers, load_weights
from vivavoce.errors import EngineUnavailable

CPU = torch.device("cpu")
BF16, FP32 = torch.bfloat16, torch.float32


class Turned(Relaid):
    """A matrix that is computed with transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(70, 50))

    def lay(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.T.contiguous()


def parts() -> nn.ModuleDict:
    """Return modules on the meta device: many small tensors, some large ones, one of each kind."""
    with torch.device("meta"):
        return nn.ModuleDict(
            {
                "table": nn.Embedding.from_pretrained(torch.empty(90, 33)),
                "turned": Turned(),
                "large": nn.Linear(211, 97),
                "norms": nn.ModuleList(nn.LayerNorm(n) for n in range(1, 20)),
            }
        )


@pytest.fixture(params=[BF16, FP32, "both"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of `parts` under a prefix, and of what does not belong to them, in between."""
    draw = torch.Generator().manual_seed(1)
    tensors = {}
    for number, (name, parameter) in enumerate(parts().named_parameters()):
        dtype = (BF16, FP32)[number % 2] if request.param == "both" else request.param
        values = torch.randn(parameter.shape, generator=draw)
        values.view(-1)[0] = (float("inf"), float("nan"), -0.0, 1e-42)[number % 4]
        tensors[f"ours.{name}"] = values.to(dtype)
        tensors[f"our{name}s"] = torch.randn(number, generator=draw)
    save_file(tensors, tmp_path / "tensors.safetensors")
    return tmp_path / "tensors.safetensors"


@pytest.fixture(params=[8, 64, 4096, 2**20])
def block_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """From a number at a time to the whole file."""
    monkeypatch.setitem(filling._BLOCK_BYTES, "cpu", request.param)
    return request.param


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def expected(path: Path, name: str, dtype: torch.dtype | None) -> torch.Tensor:
    """Return what a parameter is to be, by the package that defines the format."""
    tensor = load_file(path)[f"ours.{name}"]
    if dtype is not None and not (name.startswith("table") and tensor.dtype == BF16):
        tensor = tensor.to(dtype)
    return tensor.T if name.startswith("turned") else tensor


@pytest.mark.parametrize("dtype", [BF16, FP32, None])
def test_every_tensor_is_the_files(path: Path, dtype: torch.dtype | None, block_bytes: int) -> None:
    module = parts()
    used = load_weights(module, path, "ours.", CPU, dtype)
    assert used == {name for name in load_file(path) if name.startswith("ours.")}
    for name, parameter in module.named_parameters():
        wanted = expected(path, name, dtype)
        assert (parameter.dtype, parameter.shape) == (wanted.dtype, wanted.shape)
        assert bits(parameter) == bits(wanted)
        assert not parameter.requires_grad


def mapped_parts(path: Path) -> list[range]:
    """Return where in this process's memory a file is mapped."""
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(path)):
            begin, _, end = line.split()[0].partition("-")
            found.append(range(int(begin, 16), int(end, 16)))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_needs_no_change_stays_mapped_and_to_write_there_changes_no_file(path: Path) -> None:
    before = path.read_bytes()
    module = parts()
    load_weights(module, path, "ours.", CPU, None)
    files = mapped_parts(path)
    for name, parameter in module.named_parameters():
        mapped = any(parameter.data_ptr() in part for part in files)
        assert mapped == (name != "turned.weight")
        with torch.no_grad():
            parameter.zero_()
    assert path.read_bytes() == before


def test_what_is_converted_lies_side_by_side_and_aligned(path: Path) -> None:
    module = parts()["norms"]
    load_weights(module, path, "ours.norms.", CPU, torch.float64)
    (memory,) = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    begins = sorted(parameter.data_ptr() - memory for parameter in module.parameters())
    assert all(begin % 256 == 0 for begin in begins)
    assert len(set(begins)) == len(begins)
    one = module[3]
    one.to(BF16)  # leaves the others where they are, as they are
    assert one.weight.untyped_storage().data_ptr() != memory
    wanted = expected(path, "norms.4.weight", torch.float64)
    assert bits(module[4].weight) == bits(wanted)


def test_loading_may_be_part_of_inference(path: Path) -> None:
    module = parts()
    with torch.inference_mode():
        load_weights(module, path, "ours.", CPU, torch.float64)
        assert torch.equal(module["large"].bias, expected(path, "large.bias", torch.float64))


def test_tensors_may_lie_anywhere(tmp_path: Path) -> None:
    """The format lets numbers begin at odd bytes, which no processor needs to like."""
    values = {"weight": torch.randn(4, 3), "bias": torch.randn(4)}
    data, header = b"?", {"odd": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    for name, tensor in values.items():
        offsets = [len(data), len(data) + 4 * tensor.numel()]
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": offsets}
        data += bits(tensor)
    head = json.dumps(header).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + data)
    with torch.device("meta"):
        module = nn.Linear(3, 4)
    load_weights(module, path, "", CPU, FP32)
    for name, tensor in values.items():
        assert torch.equal(module.get_parameter(name), tensor)


# A device that copies by itself


class Late:
    """Stands for a CUDA stream and its events: copies are done when somebody waits for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        self._waiting: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._done, self._lock = 0, threading.Lock()
        monkeypatch.setattr(filling, "_stream", lambda device: self)
        monkeypatch.setattr(filling, "_block", lambda size, pinned: torch.empty(size).byte())
        monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: None)
        monkeypatch.setattr(torch.cuda, "Event", lambda: LateEvent(self))
        monkeypatch.setattr(filling.Staging, "copy", lambda _, *copied: self.copy(*copied))

    def copy(self, numbers: torch.Tensor, target: torch.Tensor) -> None:
        with self._lock:
            self._waiting.append((numbers, target))
            self.most = max(self.most, len(self._waiting) - self._done)

    def noted(self) -> int:
        return len(self._waiting)

    def synchronize(self, until: int | None = None) -> None:
        with self._lock:
            until = len(self._waiting) if until is None else until
            for numbers, target in self._waiting[self._done : until]:
                target.copy_(numbers)
            self._done = max(self._done, until)


class LateEvent:
    def __init__(self, stream: Late) -> None:
        self._stream, self._noted = stream, 0

    def record(self, stream: Late) -> None:
        self._noted = stream.noted()

    def synchronize(self) -> None:
        self._stream.synchronize(self._noted)


def test_no_block_is_read_into_before_it_was_copied(
    path: Path, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Late(monkeypatch)
    module = parts()["norms"]
    load_weights(module, path, "ours.norms.", CPU, torch.float64)
    assert device.most > 1
    for name, parameter in module.named_parameters():
        assert bits(parameter) == bits(expected(path, f"norms.{name}", torch.float64))


# What is wrong with a file


def refused(path: Path) -> str:
    with pytest.raises(EngineUnavailable) as caught:
        load_weights(parts(), path, "ours.", CPU, torch.float64)
    assert str(path) in caught.value.message
    assert "ownload" in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("path", [BF16], indirect=True)
def test_missing_misshapen_and_left_over_tensors_are_named(path: Path) -> None:
    tensors = load_file(path)
    save_file(tensors | {"ours.large.bias": torch.ones(98)}, path)
    message = refused(path)
    assert "ours.large.bias" in message
    assert "[98]" in message
    assert "[97]" in message
    save_file({name: it for name, it in tensors.items() if name != "ours.large.bias"}, path)
    assert "ours.large.bias" in refused(path)
    check_leftovers(path, {name for name in tensors if name.startswith("ours.")}, "our")
    with pytest.raises(EngineUnavailable, match=r"ourtable\.weights"):
        check_leftovers(path, {name for name in tensors if name != "ourtable.weights"})


@pytest.mark.parametrize("path", [BF16], indirect=True)
@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_a_file_cut_short(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    assert "Cannot read" in refused(path)


def entry(dtype: str = "F32", shape: object = (1,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    "header",
    [
        *([], 3, {"a": []}, {"a": {}}, entry("F3"), entry(shape=3), entry(shape=[1.5])),
        *(entry(shape=[2]), entry(shape=[-1]), entry(shape=["1"]), entry(offsets=[0])),
        *(entry(offsets=[-4, 0]), entry(offsets=[4, 8]), entry(offsets=["0", "4"])),
    ],
    ids=str,
)
def test_a_header_that_makes_no_sense(header: object, tmp_path: Path) -> None:
    head = json.dumps(header).encode()
    path = tmp_path / "tensors.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    assert "Cannot read" in refused(path)


@pytest.mark.parametrize("path", [BF16], indirect=True)
@pytest.mark.parametrize("part", ["table", "turned", "large"])
def test_a_file_that_becomes_shorter_while_it_is_read(
    path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TensorFile._read_header

    def read_and_cut(file: TensorFile) -> object:
        tensors = made(file)
        os.truncate(path, tensors[f"ours.{part}.weight"].end - 1)
        return tensors

    monkeypatch.setattr(TensorFile, "_read_header", read_and_cut)
    with pytest.raises(EngineUnavailable, match="it ends after"):
        load_weights(parts()[part], path, f"ours.{part}.", CPU, FP32)


@pytest.mark.parametrize("path", [BF16], indirect=True)
def test_a_disk_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.preadv

    def fail_far_in(file: int, into: list[memoryview], begin: int) -> int:
        if begin > path.stat().st_size // 2:
            raise OSError(5, "Input/output error")
        return read(file, into, begin)

    monkeypatch.setattr(os, "preadv", fail_far_in)
    monkeypatch.setitem(filling._BLOCK_BYTES, "cpu", 64)
    assert "Input/output error" in refused(path)


@pytest.mark.parametrize("path", [BF16], indirect=True)
def test_reads_that_give_less_than_was_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.preadv

    def some(file: int, into: list[memoryview], begin: int) -> int:
        return read(file, [into[0][:1000]], begin)

    monkeypatch.setattr(os, "preadv", some)
    module = parts()
    load_weights(module, path, "ours.", CPU, FP32)
    assert bits(module["large"].weight) == bits(expected(path, "large.weight", FP32))


# Threads


def test_shared_work_is_done_once_and_leaves_torch_as_it_was() -> None:
    before = torch.get_num_threads()
    seen: list[tuple[int, int]] = []

    def begin() -> object:
        return lambda job: seen.append((job, torch.get_num_threads()))

    share(range(100), begin, 3)
    assert sorted(seen) == [(job, 1) for job in range(100)]
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert torch.get_num_threads() == later[0] == before


def test_after_a_failure_no_more_is_begun() -> None:
    begun = []

    def do(job: int) -> None:
        begun.append(job)
        raise ValueError(job)

    with pytest.raises(ValueError, match=r"0|1|2"):
        share(range(1000), lambda: do, 3)
    assert len(begun) <= 3
