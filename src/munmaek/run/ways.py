"""Seven ways of taking one vector a token from the layers of a frozen encoder, and a tagger that reads any of them.

Six are those of Devlin 2018 (table 7), the seventh is ELMo's scalar mix (Peters 2018 equation 1).
"""

# ruff: noqa: F722
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.nn.mix import ScalarMix
from munmaek.nn.recurrent import BiLstm, put_back, reading_orders
from munmaek.nn.transformer import Dropout

Joining = Literal["one", "side by side", "weighted", "scalar mix"]


@dataclass(frozen=True)
class Way:
    """One way: which layers, and how they become one vector.

    Attributes:
        name: key of the way, for rows and tables.
        first, stop: the layers, counted as a slice counts them: of all layers where `whole`, else of those above the
            embeddings.
        joining: "one" layer as it is; several "side by side"; "weighted" by the softmax of learnt numbers, which is
            Devlin's weighted sum; or by the "scalar mix", which differs from that in three things: the embeddings are
            among its layers, their sum is multiplied by a learnt gamma, and in training a layer is left out at times
            (`LAYER_DROPOUT`; the mix of `nn.mix`, its layer normalisation off, as the reader of ELMo here has it).
    """

    name: str
    first: int | None
    stop: int | None
    joining: Joining = "one"
    whole: bool = False

    def layers(self, num_layers: int) -> list[int]:
        """The layers it takes of an encoder with so many, 0 being the embeddings.

        Of fewer than four layers above the embeddings "the last four" are those there are; where there is but one, the
        second-to-last layer is the embeddings.
        """
        return list(range(num_layers))[self.first : self.stop] if self.whole else self._above(num_layers)

    def _above(self, num_layers: int) -> list[int]:
        return list(range(1, num_layers))[self.first : self.stop]

    @property
    def weighs(self) -> bool:
        """Whether weights of layers are learnt."""
        return self.joining in ("weighted", "scalar mix")


WAYS = (
    Way("embeddings", 0, 1, whole=True),
    Way("second-to-last", -2, -1, whole=True),
    Way("last", -1, None, whole=True),
    Way("weighted-last-four", -4, None, "weighted"),
    Way("joined-last-four", -4, None, "side by side"),
    Way("weighted-all", None, None, "weighted"),
    Way("scalar-mix", None, None, "scalar mix", whole=True),
)
"""In the order of Devlin 2018, table 7, where the weighted sum is that "of all 12 layers": without the embeddings."""

CELLS = 128
"""Of each direction in each layer of the tagger. Devlin 2018 §5.3 has 768, and with them 36 times as many products of
states and weights at every token: too many for two cores."""
DROPOUT, LAYER_DROPOUT = 0.3, 0.1


class Reader(nn.Module):
    """One vector a token by a way, dropout, and two layers of BiLSTM over it (Devlin 2018 §5.3).

    Deviates: the LSTM is narrower, see `CELLS`, and each layer of the encoder is first divided by one number, so that
    the numbers of all have the same root mean square: else weights of layers would say how large a layer's numbers are,
    and one learning rate would suit one system and not another.

    Args:
        sizes: (layers,) that root mean square of each layer that the way takes. dim: width of a layer.
    Attributes:
        dim: width of a state. mix: what weighs the layers; None where nothing does.
    """

    sizes: Tensor

    def __init__(self, way: Way, sizes: NDArray[np.float32], dim: int, cells: int = CELLS) -> None:
        super().__init__()
        self.dim = 2 * cells
        self.register_buffer("sizes", torch.from_numpy(np.maximum(sizes, 1e-6)))
        mixes = way.joining == "scalar mix"
        self.mix = ScalarMix(len(sizes), LAYER_DROPOUT if mixes else 0.0) if way.weighs else None
        if self.mix is not None:
            self.mix.gamma.requires_grad_(mixes)
        self.dropout = Dropout(DROPOUT)
        self.layers = nn.ModuleList([BiLstm(dim * (1 if self.mix else len(sizes)), cells), BiLstm(2 * cells, cells)])

    def forward(
        self, states: Float[Tensor, "layers batch seq dim"], mask: Bool[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq two_cells"]:
        """One state a token."""
        states = states / self.sizes[:, None, None, None]
        vectors = states.movedim(0, 2).flatten(2) if self.mix is None else self.mix(states)
        orders = reading_orders(mask)
        for layer in self.layers:
            read, _ = layer(self.dropout(vectors).flatten(0, 1)[orders])
            vectors = put_back(read, orders)
        return vectors

    def shares(self) -> list[float]:
        """The weight learnt of each layer, summing to 1; empty where the way weighs none."""
        return [] if self.mix is None else self.mix.weights().tolist()


def plain(way: Way, vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """What a way makes of vectors `(rows, layers, dim)` without learning anything: weights are equal.

    Returns `(rows, dim)`, or `(rows, layers taken * dim)` where they lie side by side.
    """
    taken = vectors[:, way.layers(vectors.shape[1])]
    return taken.mean(axis=1) if way.weighs else taken.reshape(len(taken), -1)
