"""What is compared: numbers, batch sizes, ways to choose codes; and how often."""

from __future__ import annotations

from dataclasses import dataclass

TEXT = "Hello there, speak to the one voice."
LANGUAGE = "english"
SPEAKER = "ryan"


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison. Both sides are the same in all of it, but for the case of the server.

    `dtype` is fp32 or bf16, of the codec as well. `as_server`: vivavoce computes the codec in fp32
    and decodes the server's growing chunks; the official package does what it always does. So it
    does with `quantize`, none, int8 or int4, as vivavoce's setting. `threads` None leaves their
    number to torch. `frames` are timed, after `warm_frames` that are not.
    """

    dtype: str
    batch: int
    sampled: bool
    threads: int | None = None
    as_server: bool = False
    quantize: str = "none"
    frames: int = 12
    warm_frames: int = 2

    @property
    def name(self) -> str:
        """Its part of the figures' names."""
        parts = [self.loading, f"b{self.batch}", "sampled" if self.sampled else "greedy"]
        if self.threads:
            parts.append(f"{self.threads}thread")
        return ".".join(parts)

    @property
    def loading(self) -> str:
        """The same for all cases in which the same is loaded."""
        if self.quantize != "none":
            return self.quantize
        return "server" if self.as_server else self.dtype


@dataclass(frozen=True, slots=True)
class Plan:
    """Cases, and how often each is measured."""

    cases: tuple[Case, ...]
    repeats: int = 3


def full() -> Plan:
    """Return the plan of every case.

    In bf16 they are fewer and short: where torch has no convolutions for it, a frame's sound alone
    takes six seconds.
    """
    fp32 = [Case("fp32", batch, sampled) for batch in (1, 4) for sampled in (False, True)]
    fp32.append(Case("fp32", 1, sampled=True, threads=1))
    quantized = [
        Case("fp32", batch, sampled=True, as_server=True, quantize=quantize)
        for quantize in ("int8", "int4")
        for batch in (1, 4)
    ]
    short = {"frames": 3, "warm_frames": 1}
    bf16 = [
        Case("bf16", 1, sampled=False, **short),
        Case("bf16", 1, sampled=True, **short),
        Case("bf16", 4, sampled=True, **short),
        Case("bf16", 1, sampled=True, as_server=True, **short),
    ]
    return Plan((*fp32, *quantized, *bf16))


def quick() -> Plan:
    """Return the plan of a smoke run: it shows that everything works, and no more."""
    few = {"frames": 3, "warm_frames": 1}
    cases = (
        Case("fp32", 1, sampled=True, **few),
        Case("fp32", 1, sampled=True, as_server=True, quantize="int8", **few),
        Case("bf16", 1, sampled=True, as_server=True, **few),
    )
    return Plan(cases, repeats=1)
