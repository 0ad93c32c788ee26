"""One system on the bench: its smallest preset, its objective, and one batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from facts import Facts
from torch import nn

from munmaek.core.contracts import Batch, Objective, System
from munmaek.run.prepare import Prepared
from munmaek.train.distributed import to_tensors

BATCH_TOKENS = 1024


@dataclass
class Bench:
    """One system on the bench."""

    card: System
    facts: Facts
    prepared: Prepared

    def model(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        preset = self.card.presets["tiny"]
        return self.card.build(self.card.config(**preset, vocab_size=self.prepared.tokenizer.vocab_size))

    def objective(self, model: nn.Module, **options: Any) -> Objective:
        return self.card.objective(model.config, self.prepared.tokenizer, 64, options)

    def batch(self, objective: Objective, position: int = 0) -> Batch:
        return next(objective.batches(self.prepared.shards, seed=1, position=position, batch_tokens=BATCH_TOKENS))

    def inputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        return to_tensors(batch.rows(slice(None)), torch.device("cpu"))
