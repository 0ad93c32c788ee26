"""ELMo in a task: all layers mixed, then a BiLSTM of the task's own, on frozen states (Peters 2018 §3.2-3.3).

Deviates where labels of whole texts are few: the mixed states go to the head as they are, since the weights of a BiLSTM
would have to be learnt from those labels alone, and mix and head start where regression finds them (tasks/probe.py).
"""

# ruff: noqa: F722
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from munmaek.core.contracts import Adaptation
from munmaek.core.errors import RequestError
from munmaek.nn.mix import ScalarMix
from munmaek.nn.recurrent import BiLstm, put_back, reading_orders
from munmaek.nn.transformer import Dropout

READER: dict[str, Any] = {"cells": 128, "dropout": 0.3, "layer_dropout": 0.1, "layer_norm": False}
"""Options of the reader, set as reader={"layer_norm": true}: cells in each direction of its LSTM, dropout of the mixed
states, and what `ScalarMix` does with layers. With no cells there is no LSTM."""
FEW_LABELS = 3_000
"""Below this many there is none by default."""


class Reader(nn.Module):
    """The scalar mix of an ELMo's layers, dropout, and a BiLSTM over it where it has cells.

    Attributes:
        dim: width of a state.
    """

    def __init__(
        self, num_layers: int, dim: int, cells: int = 128, dropout: float = 0.3, layer_dropout: float = 0.1,
        layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dim = 2 * cells or dim
        self.mix = ScalarMix(num_layers, layer_dropout, layer_norm)
        self.dropout = Dropout(dropout)
        self.lstm = BiLstm(dim, cells) if cells else None

    @property
    def only_mix(self) -> ScalarMix | None:
        """The mix, where nothing but dropout follows it."""
        return self.mix if self.lstm is None else None

    def forward(
        self, states: Float[Tensor, "layers batch seq dim"], mask: Bool[Tensor, "batch seq"]
    ) -> Float[Tensor, "batch seq two_cells"]:
        """One state a token."""
        mixed = self.dropout(self.mix(states))
        if self.lstm is None:
            return mixed
        orders = reading_orders(mask)
        read, _ = self.lstm(mixed.flatten(0, 1)[orders])
        return put_back(read, orders)


def reader(num_layers: int, dim: int, options: Mapping[str, Any]) -> Reader:
    """A fresh reader; RequestError for options that there are not, or of a wrong kind."""
    values = {**READER, **options}
    cells, shares = values["cells"], (values["dropout"], values["layer_dropout"])
    sound = set(values) == set(READER) and isinstance(cells, int) and cells >= 0
    if not sound or not all(isinstance(share, int | float) and 0 <= share < 1 for share in shares):
        raise RequestError(
            f"options of the reader: {dict(options)}",
            where="reader",
            fix=f"Options and defaults: reader={json.dumps(READER)}",
        )
    return Reader(num_layers, dim, **values)


def settings(num_labels: int, per_token: bool = False) -> Mapping[str, Any]:
    """The encoder is frozen, and with frozen=false learns at 3e-4.

    What stands on it learns at 1.5e-3, with few labels of whole texts at 0.03: then that is a linear map and the mix.
    Where those start at the probe, all rates are the probe's.
    """
    if num_labels < FEW_LABELS and not per_token:
        return {"frozen": True, "learning_rate": 3e-4, "head_rate": 100.0, "pooling": "mean", "reader": {"cells": 0}}
    return {"frozen": True, "learning_rate": 3e-4, "head_rate": 5.0, "pooling": "max"}


ADAPTATION = Adaptation(settings=settings, reader=reader, apart=True)
