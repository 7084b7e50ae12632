"""The sizes that a frame is computed in: the released models', and toys."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transformer:
    """Talker or code predictor; `vocab` are the codes that its head chooses from."""

    hidden: int
    intermediate: int
    layers: int
    vocab: int
    heads: int = 16
    kv_heads: int = 8
    width: int = 128

    @property
    def qkv(self) -> int:
        """How many numbers one position's queries, keys and values are."""
        return (self.heads + 2 * self.kv_heads) * self.width


@dataclass(frozen=True, slots=True)
class Model:
    """A model; `convolutions` are some of its codec's, of the most work each."""

    name: str
    talker: Transformer
    predictor: Transformer
    convolutions: tuple[Convolution, ...]
    books: int = 16
    span: int = 256
    page: int = 64


@dataclass(frozen=True, slots=True)
class Convolution:
    """One of the codec's: `steps` for each frame. `act`: with a SnakeBeta before."""

    name: str
    taps: int
    c_in: int
    c_out: int
    steps: int
    dilation: int = 1
    act: bool = True


_PREDICTOR = Transformer(hidden=1024, intermediate=3072, layers=5, vocab=2048)
_CODEC = (
    Convolution("first", 7, 1024, 1536, steps=4, act=False),
    Convolution("upsample", 2, 1536, 768 * 8, steps=4),
    Convolution("wide", 7, 768, 768, steps=32, dilation=9),
    Convolution("narrow", 7, 96, 96, steps=1920, dilation=9),
    Convolution("pointwise", 1, 96, 96, steps=1920),
    Convolution("last", 7, 96, 1, steps=1920),
)

SMALL = Model("0.6B", Transformer(1024, 3072, 28, 3072), _PREDICTOR, _CODEC)
LARGE = Model("1.7B", Transformer(2048, 6144, 28, 3072), _PREDICTOR, _CODEC)
TOY = Model(
    "toy",
    Transformer(48, 20, 2, 24, heads=2, kv_heads=1, width=16),
    Transformer(32, 20, 1, 16, heads=2, kv_heads=1, width=16),
    (Convolution("first", 7, 24, 20, steps=4),),
    books=4,
)
