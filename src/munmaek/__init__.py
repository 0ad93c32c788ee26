"""munmaek (문맥, "context"): the lineage of pre-trained language models, on your own text.

    import munmaek

    munmaek.pretrain("bert", corpus="reviews.txt", out="runs/bert", size="mini", budget="1h")
    model = munmaek.load("runs/bert")
    model.embed(["눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다"])
    model.similar("눈이 와서 너무 좋다", "너의 눈이 너무 예쁘다", word="눈")

Each name below is imported when it is first used, so that `import munmaek` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from munmaek.run.compare import compare
    from munmaek.run.evaluate import evaluate
    from munmaek.run.evaluate_lm import evaluate_lm
    from munmaek.run.finetune import finetune
    from munmaek.run.generate import generate
    from munmaek.run.model import Model, load
    from munmaek.run.predict import predict
    from munmaek.run.prepare import prepare
    from munmaek.run.pretrain import pretrain

__all__ = [
    "Model",
    "compare",
    "evaluate",
    "evaluate_lm",
    "finetune",
    "generate",
    "load",
    "predict",
    "prepare",
    "pretrain",
]
__version__ = "0.1.0"

_HOMES = {
    "Model": "model", "load": "model", "pretrain": "pretrain", "prepare": "prepare",
    "finetune": "finetune", "evaluate": "evaluate", "predict": "predict",
    "compare": "compare", "generate": "generate", "evaluate_lm": "evaluate_lm",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'munmaek' has no attribute {name!r}")
    return getattr(import_module(f"munmaek.run.{_HOMES[name]}"), name)
