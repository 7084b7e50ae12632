"""What one frame is computed with: the contract that plain torch and the Triton kernels both keep.

M rows are the sequences of a batch, 1 to 64. Shapes are static, nothing is read back to the host,
nothing draws from torch's generators, so any of these can be captured in a graph. Rows of inputs
and of `out` may lie apart (any stride of the first dimension); elements of a row lie side by side.

Numbers are rounded where the layers of `layers.py` round: a norm's statistics are fp32 and its
result is cast before the weight; products, RoPE and residuals are cast one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Norm(NamedTuple):
    """An RMSNorm that goes before a product: its weight [K]."""

    weight: Tensor
    eps: float


class HeadNorms(NamedTuple):
    """The RMSNorms of each head's query and key, before RoPE: weights [D]."""

    q: Tensor
    k: Tensor
    eps: float


class Snake(NamedTuple):
    """A SnakeBeta as `SnakeBeta.lay` has it: x + sin²(x * alpha) * beta, both [C]."""

    alpha: Tensor
    beta: Tensor


class Controls(NamedTuple):
    """How each row is sampled, [M] each; see `sampling.Sampling`.

    `samples` bool: drawn, or the likeliest. `temperature` fp32. `top_k` int64, 0 keeps all. `top_p`
    float64.
    """

    samples: Tensor
    temperature: Tensor
    top_k: Tensor
    top_p: Tensor


class FirstBook(NamedTuple):
    """What is special about codebook 0.

    `seen` [M, V] bool: the codes a row has chosen; the new one is marked. `penalty` [M] fp32: the
    repetition penalty. Of the codes from `codes` on only `eos` may be chosen, and that one from
    frame `min_frames` on.
    """

    seen: Tensor
    penalty: Tensor
    codes: int
    eos: int
    min_frames: int


class Embedding(NamedTuple):
    """Where the chosen code's row of `table` [V, H] is written: `out` [M, H], converted."""

    table: Tensor
    out: Tensor


class Operations(Protocol):
    """The operations. Results are new tensors, unless it says otherwise."""

    def rms_norm(self, x: Tensor, norm: Norm) -> Tensor:
        """Norm x [M, K]."""

    def linear(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        norm: Norm | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """Return residual + (norm(x) @ weight.T + bias), [M, N], of x [M, K], weight [N, K]."""

    def gate_up(self, x: Tensor, weight: Tensor, norm: Norm) -> Tensor:
        """Return silu(gate) * up, [M, I], of norm(x); weight [2 * I, K], the gate's rows first."""

    def attend_frame(
        self,
        qkv: Tensor,
        norms: HeadNorms,
        cos_sin: Tensor,
        keys: Tensor,
        values: Tensor,
        position: int,
        length: int = 1,
    ) -> Tensor:
        """Attend within a frame, [M * length, heads * D], from `position` and those after it.

        qkv [M * length, (heads + 2 * kv_heads) * D], a row's positions side by side; cos_sin
        [2, P, D], P > position, for `layers.rotate`; keys and values [M or more, kv_heads, S, D],
        S <= 32, contiguous: the first `position` are read, those of qkv are written.
        """

    def attend_paged(
        self,
        qkv: Tensor,
        norms: HeadNorms,
        cos_sin: Tensor,
        keys: Tensor,
        values: Tensor,
        table: Tensor,
        positions: Tensor,
        span: int,
    ) -> Tensor:
        """Attend to all before, [M, heads * D], each row from its own position.

        qkv [M, (heads + 2 * kv_heads) * D]; cos_sin [2, P, D], P >= span; keys and values
        [pages, PAGE, kv_heads, D], contiguous, of which the last page is nobody's; table
        [M, at least span / PAGE] int32: each row's pages in order; positions [M] int64. The row's
        own key and value are written where it stands. `span` is a multiple of PAGE. A row that
        stands outside of it (at -1, say) is none: it changes no page but nobody's and gives zeros.
        """

    def sample(
        self,
        logits: Tensor,
        seeds: Tensor,
        frames: Tensor,
        book: int,
        controls: Controls,
        out: Tensor,
        *,
        nucleus: bool,
        first: FirstBook | None = None,
        embedding: Embedding | None = None,
    ) -> None:
        """Write a code of each row of logits [M, V] into `out` [M] int64.

        The chain is that of `sampling`: penalty, forbidden codes, temperature, top-k, top-p, Gumbel
        noise by (seed, frame, book, code); seeds and frames [M] int64. `nucleus`: some row's top_p
        is below 1. `out` may be a column of codes.
        """

    def embed_sum(
        self, codes: Tensor, first: Tensor, others: Tensor, text: Tensor | None = None
    ) -> Tensor:
        """Return the sum of a frame's embeddings, rounded once, [M, H]; then `text` [M, H] added.

        codes [M, books] int64; first [V, H]: the table of book 0; others [books - 1, W, H]: those
        of the others. With `text` the numbers are its own, without they are the tables'.
        """

    def extend(self, x: Tensor, state: Tensor, snake: Snake | None = None) -> tuple[Tensor, Tensor]:
        """Return state and snake(x), one after the other, [B, S + T, C], and the last S of them.

        x [B, T, C], state [B, S, C]: what a causal convolution looks at, and its next state.
        """

    def convolve(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        dilation: int = 1,
        residual: Tensor | None = None,
    ) -> Tensor:
        """Convolve x [B, T + (taps - 1) * dilation, C_in] to [B, T, C_out]; add `residual`.

        weight [taps, C_in, C_out], the oldest step's first; bias [C_out].
        """
