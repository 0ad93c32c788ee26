"""How a training goes: the recipe, the budget, and the plan that turns a budget into steps."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import dataclass, field

from munmaek.core.config import ABOVE_0, FROM_0, SHARE, Range, check_values
from munmaek.core.errors import RequestError

SLANT = 32
"""A slanted triangle's peak over its lowest rate (Howard 2018 §3.2)."""
_TIME_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_COUNT_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


DECAYS = ("linear", "cosine", "constant", "slanted")
OPTIMIZERS = ("adamw", "muon", "asgd")
_CHOICES = {"decay": DECAYS, "optimizer": OPTIMIZERS, "precision": ("auto", "fp32", "bf16")}
_RANGES = {
    "learning_rate": ABOVE_0, "clip": ABOVE_0, "batch_tokens": ABOVE_0, "micro_tokens": ABOVE_0,
    "max_length": ABOVE_0, "muon_rate": FROM_0, "weight_decay": FROM_0, "warmup": SHARE,
    "beta_1": SHARE, "beta_2": SHARE, "epsilon": Range(0, 1, above=True), "dropout": Range(below=1),
    "layer_decay": ABOVE_0,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """Optimisation settings of one training.

    Attributes:
        learning_rate: peak rate.
        warmup: share of the whole training in which the rate rises linearly from 0, (0 to 1).
        decay: shape of the fall to 0 after the warm-up: "linear" (Devlin 2018 A.2), "cosine" or "constant"; or
            "slanted" (Howard 2018 §3.2): from 1/32 of the peak up to it in `warmup`, then down to 1/32 of it.
        batch_tokens: tokens in one optimiser step, over all processes.
        micro_tokens: most tokens in one forward pass of one process; a larger batch is accumulated.
        max_length: longest sequence, in tokens, special ones included.
        weight_decay: decoupled decay of matrices; vectors (biases, norms) are not decayed.
        beta_1, beta_2, epsilon: AdamW (Loshchilov 2019).
        optimizer: "adamw", or "muon" (orthogonalised momentum for linear and LSTM layers, AdamW for the rest)
            or "asgd" (plain SGD, averaged once the validation loss no longer falls: Merity 2018 §3).
        muon_rate: peak rate of those matrices.
        dropout: for every dropout of the model during this training; below 0 leaves the model's own.
        layer_decay: factor on the rate from each layer to the one below it (Howard 2018 §3.2); 1 is none.
        clip: largest norm of all gradients together.
        precision: "auto" (bf16 where the machine multiplies it faster), "fp32" or "bf16".
    """

    learning_rate: float = 1e-3
    warmup: float = 0.06
    decay: str = "linear"
    batch_tokens: int = 4096
    micro_tokens: int = 16384
    max_length: int = 128
    weight_decay: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.98
    epsilon: float = 1e-6
    optimizer: str = "adamw"
    muon_rate: float = 0.02
    dropout: float = -1.0
    layer_decay: float = 1.0
    clip: float = 1.0
    precision: str = "auto"

    def __post_init__(self) -> None:
        check_values(Recipe, vars(self), "recipe", _RANGES, _CHOICES)

    def rate(self, progress: float) -> float:
        """The learning rate at `progress` (0 at the start, 1 at the end)."""
        if self.decay == "slanted":
            cut = max(self.warmup, 1e-12)
            share = progress / cut if progress < cut else (1.0 - progress) / max(1.0 - cut, 1e-12)
            return self.learning_rate * (1 + max(0.0, share) * (SLANT - 1)) / SLANT
        if progress < self.warmup:
            return self.learning_rate * progress / self.warmup
        left = max(0.0, (1.0 - progress) / max(1.0 - self.warmup, 1e-12))
        shapes = {"linear": left, "cosine": 0.5 * (1 - math.cos(math.pi * left)), "constant": 1.0}
        return self.learning_rate * shapes[self.decay]


@dataclass(frozen=True)
class Budget:
    """How much a training may use: exactly one of a time (seconds), tokens, epochs or steps is set."""

    seconds: float | None = None
    tokens: int | None = None
    epochs: float | None = None
    steps: int | None = None

    @staticmethod
    def parse(text: str) -> Budget:
        """Read "1h", "90m", "1h30m", "20s", "50M tokens" (or "50Mtok"), "3 epochs", "1000 steps"."""
        raw = text.strip().lower().replace(",", "").replace("_", "")
        amount = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgb]?)\s*(tokens?|tok|epochs?|ep|steps?)", raw)
        if amount:
            number = float(amount[1]) * _COUNT_UNITS[amount[2]]
            return _counted(number, amount[3][:2], text)
        times = re.findall(r"(\d+(?:\.\d+)?)\s*(?:([smhd])[a-z]*)", raw)
        if times and not re.sub(r"(\d+(?:\.\d+)?)\s*(?:([smhd])[a-z]*)", "", raw).strip():
            seconds = sum(float(number) * _TIME_UNITS[unit] for number, unit in times)
            if seconds > 0:
                return Budget(seconds=seconds)
        raise RequestError(
            f"cannot read the budget {text!r}",
            where="--budget",
            fix="Write a time (90s, 20m, 1h30m), tokens (50M tokens), epochs (3 epochs) or steps (1000 steps).",
        )

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"{self.seconds:g} s"
        for unit in ("tokens", "epochs", "steps"):
            if getattr(self, unit) is not None:
                return f"{getattr(self, unit):,g} {unit}"
        return "none"


def _counted(number: float, unit: str, text: str) -> Budget:
    if number <= 0:
        raise RequestError(f"the budget {text!r} is not positive", where="--budget", fix="Ask for more than nothing.")
    if unit == "to":
        return Budget(tokens=int(number))
    return Budget(epochs=number) if unit == "ep" else Budget(steps=int(number))


@dataclass
class Plan:
    """Steps and the progress they stand for: straight lines between knots (step, progress).

    A token, epoch or step budget has the two knots (0, 0) and (total, 1). A time budget starts so after calibration,
    and gets a knot whenever the machine's speed has drifted; the knots travel in the checkpoint, so a resumed run
    follows the plan that the interrupted one had.
    """

    knots: list[tuple[int, float]] = field(default_factory=lambda: [(0, 0.0), (1, 1.0)])

    @staticmethod
    def of(total_steps: int) -> Plan:
        """The plan of a training with a known number of steps."""
        return Plan([(0, 0.0), (max(1, total_steps), 1.0)])

    @property
    def total_steps(self) -> int:
        """The step at which the training ends."""
        return self.knots[-1][0]

    def progress(self, step: int) -> float:
        """Share of the training done after `step` steps, 0 to 1."""
        if step >= self.total_steps:
            return 1.0
        place = bisect_right([knot[0] for knot in self.knots], step)
        (step_0, share_0), (step_1, share_1) = self.knots[place - 1], self.knots[place]
        return share_0 + (share_1 - share_0) * (step - step_0) / (step_1 - step_0)

    def replan(self, step: int, total_steps: int) -> None:
        """From `step` on, spread what is left of the progress over the steps up to `total_steps`."""
        share = self.progress(step)
        kept = [knot for knot in self.knots if knot[0] < step]
        self.knots = [*kept, (step, share), (max(step + 1, total_steps), 1.0)]
