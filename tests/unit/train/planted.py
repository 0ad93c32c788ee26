"""A small training problem with a known answer: rows of numbers and a planted linear map, as an Objective."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import nn

from munmaek.core.contracts import Batch, LossParts
from munmaek.core.recipe import Recipe
from munmaek.core.runtime import permutation, uniform

RECIPE = Recipe(learning_rate=0.02, warmup=0.1, batch_tokens=64, precision="fp32", weight_decay=0.0, beta_2=0.95)
WIDTH = 8


class PlantedModel(nn.Module):
    """Two layers with dropout, so that a resumed run must also draw the same dropout."""

    def __init__(self, seed: int = 0, dropout: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(
            nn.Linear(WIDTH, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Dropout(dropout), nn.Linear(32, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x).squeeze(-1)


class PlantedObjective:
    """Rows are a pure function of (seed, epoch, index); `size` rows an epoch."""

    def __init__(self, size: int = 64, poison: int | None = None) -> None:
        self.size, self.poison = size, poison
        self.seen: list[list[int]] = []

    def epoch_batches(self, data: object, *, seed: int, epoch: int, batch_tokens: int) -> int:
        return -(-self.size * WIDTH // batch_tokens)

    def batches(
        self,
        data: object,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        epoch, place = position >> 32, position & 0xFFFFFFFF
        rows = batch_tokens // WIDTH
        while True:
            order = permutation(self.size, seed, epoch)
            while place * rows < self.size:
                chosen = order[place * rows : (place + 1) * rows]
                place += 1
                last = place * rows >= self.size
                follows = (epoch + 1) << 32 if last else (epoch << 32) + place
                yield self._batch(seed, epoch, chosen, follows)
            epoch, place = epoch + 1, 0

    def _batch(self, seed: int, epoch: int, chosen: np.ndarray, follows: int) -> Batch:
        x = (uniform(seed, epoch, chosen[:, None], np.arange(WIDTH)) - 0.5).astype(np.float32)
        y = x @ np.linspace(-1, 1, WIDTH, dtype=np.float32)
        if self.poison is not None and self.poison in chosen:
            y = y * np.float32("nan")
        return Batch({"x": x, "y": y}, x.size, {"square": len(chosen)}, follows, chosen)

    def loss(self, model: nn.Module, inputs: Mapping[str, torch.Tensor]) -> LossParts:
        found = model(inputs["x"]).float()
        return LossParts({"square": ((found - inputs["y"]) ** 2).sum()}, {"square": len(found)})
