"""Softmax cross entropy over a large vocabulary without keeping the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

CHUNK = {"cpu": 64, "cuda": 256}
"""Rows whose float32 probabilities are in memory at once, by kind of device: 64 x 16,000 x 4 bytes = 4 MB, near what
the second cache of a core holds; a GPU has fewer calls to make with more."""

BLOCK = 4096
"""Rows whose logits are in memory at once: of every token of a large batch they would fill it."""

ROW_STEP = 64
"""The rows of an output layer are filled up to a multiple of this."""

TINY = 1.2e-38
"""Smallest normal float32: a target's loss is at most 87 nats; its gradient is exact all the same."""


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum over rows of -log softmax(hidden W' + b)[target], whose gradient is found in the forward pass.

    The only buffer of size (rows, vocab) is in the working precision and is overwritten by its own gradient,
    p - onehot; exponentials and sums are float32. On two cores at 560 rows x 16,000 words this takes half the time
    of linear + cross_entropy, which touches that buffer seven times in float32.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
        targets: torch.Tensor, dtype: torch.dtype,
    ) -> torch.Tensor:  # fmt: skip
        rows, matrix = hidden.to(dtype), weight.to(dtype)
        logits = nn.functional.linear(rows, matrix, None if bias is None else bias.to(dtype))
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        bias_grad = None if bias is None else torch.zeros_like(bias, dtype=torch.float32)
        chunk = _chunk(hidden)
        for start in range(0, len(targets), chunk):
            wanted = targets[start : start + chunk, None]
            part = logits[start : start + len(wanted)]
            probabilities = torch.softmax(part, 1, dtype=torch.float32)
            right = probabilities.gather(1, wanted)
            total -= right.clamp_min(TINY).log().sum()
            probabilities.scatter_(1, wanted, right - 1)
            if bias_grad is not None:
                bias_grad += probabilities.sum(0)
            part.copy_(probabilities)
        logits[len(targets) :] = 0
        ctx.save_for_backward(logits @ matrix, logits.t() @ rows, bias_grad)
        ctx.dtypes = hidden.dtype, weight.dtype, None if bias is None else bias.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        pairs = zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        found = [None if g is None else g.to(d).mul_(grads[0].to(d)) for g, d in pairs]
        return (*found, None, None)


def _chunk(hidden: torch.Tensor) -> int:
    return CHUNK.get(hidden.device.type, CHUNK["cuda"])


def rows_at(states: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Some states as the rows of an output layer, `(rows, dim)`, and after them a few that stand for nothing.

    The spare ones fill the rows up to a multiple of `ROW_STEP`: few different sizes, so few kernels are compiled.

    Args:
        states: (batch, seq, dim). places: (chosen,) numbers of states, counted through the batch.
    """
    return states.flatten(0, 1)[nn.functional.pad(places, (0, -len(places) % ROW_STEP))]


def start_at_frequencies(bias: nn.Parameter, counts: NDArray[np.int64]) -> None:
    """Set a softmax's bias to the logarithms of the labels' frequencies, the mean frequency being 0.

    So the first loss is about the entropy of single words, which takes tens to hundreds of steps to learn otherwise;
    the softmax of a sample, whose steps reach few words, takes longest. One is added to every count.

    Args:
        bias: (vocab,), set in place. counts: (vocab,) how often each word is a label.
    """
    shares = (counts + 1.0) * (len(counts) / (counts + 1.0).sum())
    with torch.no_grad():
        bias.copy_(torch.from_numpy(np.log(shares)))


def linear_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Summed cross entropy, nats, of `hidden @ weight.T + bias` against `targets`; and, without gradients, the hits.

    Args:
        hidden: (rows, dim). weight: (vocab, dim). bias: (vocab,), or None. targets: (rows,) int64; rows of `hidden`
            past the targets' are padding and give no loss.
    Returns:
        the scalar sum, and a scalar count of rows whose target has the largest logit (None where gradients are on).
    """
    dtype = hidden.dtype
    if torch.is_autocast_enabled(hidden.device.type):
        dtype = torch.get_autocast_dtype(hidden.device.type)
    with torch.autocast(hidden.device.type, enabled=False):
        if torch.is_grad_enabled():
            parts: list[torch.Tensor] = [
                _LinearCrossEntropy.apply(hidden[i : i + BLOCK], weight, bias, targets[i : i + BLOCK], dtype)  # type: ignore[misc]
                for i in range(0, max(1, len(hidden)), BLOCK)
            ]
            return sum(parts[1:], parts[0]), None
        total = torch.zeros((), device=hidden.device)
        hits = torch.zeros((), device=hidden.device)
        matrix = weight.to(dtype)
        chunk = _chunk(hidden)
        for start in range(0, len(targets), chunk):
            wanted = targets[start : start + chunk]
            rows = hidden[start : start + len(wanted)].to(dtype)
            logits = nn.functional.linear(rows, matrix, None if bias is None else bias.to(dtype)).float()
            total += nn.functional.cross_entropy(logits, wanted, reduction="sum")
            hits += (logits.argmax(1) == wanted).sum()
        return total, hits
