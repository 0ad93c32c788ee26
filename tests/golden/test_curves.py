"""Twenty steps of every system, loss by loss: a refactoring leaves the curve as it is.

`python tests/golden/test_curves.py` writes the curves anew, after a change that is meant to alter them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice, product
from pathlib import Path

import pytest
import torch

from munmaek import systems
from munmaek.core.recipe import Budget
from munmaek.run.prepare import prepare
from munmaek.train.distributed import to_tensors
from munmaek.train.trainer import Job, train

CURVES = Path(__file__).with_name("curves.json")
WHO, WHAT = ("나는", "너는", "우리는", "친구가"), ("눈을", "배를", "말을", "밤을", "차를")
HOW = ("보았다", "좋아한다", "샀다", "잊었다")
DOCUMENTS = [[f"{a} {b} {c}.", f"{a} 또 {b} {d}."] for a, b, c, d in product(WHO, WHAT, HOW, HOW)]


def curve(system: str) -> list[float]:
    """The loss of each of the first twenty steps, float32, one thread; of what is counted, of twenty batches then."""
    torch.set_num_threads(1)
    card = systems.load(system)
    ready = prepare(DOCUMENTS, vocab_size=120, tokenizer=card.tokenizer)
    torch.manual_seed(11)
    model = card.build(card.config(**card.presets["tiny"], vocab_size=ready.tokenizer.vocab_size))
    objective = card.objective(model.config, ready.tokenizer, 32, {})
    recipe = replace(card.recipes["tiny"], batch_tokens=512, max_length=32, precision="fp32")
    if card.fit is not None:
        card.fit(model, objective, ready.shards, lambda share: None)
        batches = islice(objective.batches(ready.shards, seed=3, batch_tokens=64), 20)
        parts = [objective.loss(model, to_tensors(batch.arrays, torch.device("cpu"))) for batch in batches]
        return [round(float(part.total()), 5) for part in parts]
    outcome = train(Job(model, objective, ready.shards, recipe, Budget(steps=20), seed=3, device="cpu"))
    return [round(entry["loss"], 5) for entry in outcome.history]


@pytest.mark.parametrize("system", systems.NAMES)
def test_the_curve_is_the_stored_one(system: str) -> None:
    assert curve(system) == pytest.approx(json.loads(CURVES.read_text("utf-8"))[system], abs=2e-3)


if __name__ == "__main__":
    CURVES.write_text(json.dumps({name: curve(name) for name in systems.NAMES}, indent=1) + "\n", "utf-8")
