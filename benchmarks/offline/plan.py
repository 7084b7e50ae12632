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
    and decodes the server's growing chunks; the official package does what it always does.
    `threads` None leaves their number to torch.
    """

    dtype: str
    batch: int
    sampled: bool
    threads: int | None = None
    as_server: bool = False

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
        return "server" if self.as_server else self.dtype


@dataclass(frozen=True, slots=True)
class Plan:
    """Cases and counts of one run."""

    cases: tuple[Case, ...]
    frames: int = 24
    warm_frames: int = 4
    repeats: int = 5


def full(dtypes: tuple[str, ...] = ("fp32", "bf16")) -> Plan:
    """Return the plan of every case."""
    cases = [
        Case(dtype, batch, sampled)
        for dtype in dtypes
        for batch in (1, 4)
        for sampled in (False, True)
    ]
    cases += [Case(dtype, 1, sampled=True, threads=1) for dtype in dtypes]
    if "bf16" in dtypes:
        cases.append(Case("bf16", 1, sampled=True, as_server=True))
    return Plan(tuple(cases))


def quick() -> Plan:
    """Return the plan of a smoke run: it shows that everything works, and no more."""
    cases = (
        Case("fp32", 1, sampled=True),
        Case("bf16", 4, sampled=True),
        Case("bf16", 1, sampled=True, as_server=True),
    )
    return Plan(cases, frames=4, warm_frames=2, repeats=1)
