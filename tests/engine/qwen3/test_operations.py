"""Which operations a device gets, and what is said where it has to do without kernels."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest
import torch

from vivavoce.engine.qwen3.ops import choose, plain

CUDA = torch.device("cuda", 0)


@pytest.fixture
def told(monkeypatch):
    """The lines told; there is a card, as far as torch says."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    return []


def absent(package):
    raise PackageNotFoundError(package)


def chosen(told, dtype=torch.bfloat16, wanted=choose.AUTO):
    return choose.choose(CUDA, dtype, wanted, told.append)


def test_a_processor_computes_with_plain_torch_and_nothing_is_said(told) -> None:
    assert choose.choose(torch.device("cpu"), torch.float32, tell=told.append) == choose.PLAIN
    assert choose.load(choose.PLAIN) is plain
    assert not told


def test_who_wants_plain_torch_gets_it_without_a_word(told) -> None:
    assert chosen(told, wanted=choose.PLAIN) == choose.PLAIN
    assert not told


def test_without_triton_it_is_said_once_and_how_to_get_it(told, monkeypatch) -> None:
    monkeypatch.setattr(choose, "version", absent)
    assert chosen(told) == choose.PLAIN
    (line,) = told
    assert "pip install triton" in line
    assert "cuda:0" in line


def test_a_triton_that_cannot_compile_them_is_named(told, monkeypatch) -> None:
    monkeypatch.setattr(choose, "version", lambda package: "3.2.0")
    assert chosen(told) == choose.PLAIN
    assert "3.2.0" in told[0]
    assert "torch 2.7" in told[0]


def test_an_old_card_is_named(told, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert chosen(told) == choose.PLAIN
    assert "7.5" in told[0]


def test_numbers_that_no_kernel_computes_in_are_named(told) -> None:
    assert chosen(told, torch.float16) == choose.PLAIN
    assert "float16" in told[0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card, so nothing fails")
def test_where_a_kernel_cannot_be_compiled_the_reason_is_said(told) -> None:
    # Here it fails on its own: torch has no CUDA.
    assert chosen(told) == choose.PLAIN
    (line,) = told
    assert "compiler" in line
    assert "\n" not in line
