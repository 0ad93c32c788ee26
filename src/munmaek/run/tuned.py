"""A fine-tuned folder: the encoder in its system's own files, head.safetensors, and the task in munmaek.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from munmaek import tasks
from munmaek.core.errors import CheckpointError, RequestError
from munmaek.run import folder as model_folder
from munmaek.run.model import Model
from munmaek.run.model import load as load_model
from munmaek.run.networks import make_network
from munmaek.run.readings import check_alternatives, readings
from munmaek.run.tuning import compute
from munmaek.tasks import Answers, Task
from munmaek.tasks.defaults import Settings, settings_for
from munmaek.tasks.labelled import Labelled, answer, tokenise
from munmaek.tasks.network import TaskModel

HEAD = "head.safetensors"
HEAD_LIMIT = 1 << 30


@dataclass
class Tuned:
    """A fine-tuned model in memory: it answers texts.

    Attributes:
        pairs: whether it was trained on two texts a row; None where its task says nothing and its folder is older.
    """

    model: Model
    task: Task
    answers: Answers
    network: TaskModel
    max_length: int
    pairs: bool | None

    def answer(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, batch_tokens: int = 8_192
    ) -> NDArray[Any]:
        """Probabilities `(texts, classes)`, values `(texts,)` of a regression, or what is found in each, `(texts,)`.

        Of a choice, `pairs` holds each text's alternatives as `data.choices.join` puts them together.

        Raises:
            RequestError: pairs are missing, or there are some where single texts are read.
            CheckpointError: the model's outputs are not numbers.
        """
        if self.pairs is not None and self.pairs != (pairs is not None):
            found, wanted = ("one text a row", "two") if pairs is None else ("two texts a row", "one")
            fix = "Give the second text's column with --pair-column." if pairs is None else ""
            raise RequestError(f"{found}; this model was fine-tuned on {wanted}", where=str(self.model.folder), fix=fix)
        data = self.read(texts, pairs)
        check_alternatives(self.task, self.answers, data, str(self.model.folder))
        outputs = compute(self.model, self.network, data, batch_tokens)
        if not np.isfinite(outputs).all():
            raise CheckpointError(
                "the model's outputs are not numbers: its weights are damaged", where=str(self.model.folder),
                fix="Train it again, or copy the folder again.",
            )  # fmt: skip
        return answer(self.task, self.answers, outputs, data)

    def read(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Labelled:
        """Texts as tokens, as the network is given them."""
        how = readings(self.model, self.task, apart=self.network.apart)
        return tokenise(self.model.encoder, texts, pairs, None, self.max_length, **how)


@dataclass
class Ensemble(Tuned):
    """Several fine-tuned models as one: the mean of what they answer (Howard 2018 §3.3: a forward and a backward one).

    The fields of `Tuned` are those of the first; `others` are the rest.
    """

    others: list[Tuned]

    def answer(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, batch_tokens: int = 8_192
    ) -> NDArray[np.float32]:
        """Mean probabilities `(texts, classes)`, or mean values `(texts,)`; see `Tuned.answer`."""
        found = [super().answer(texts, pairs, batch_tokens)]
        found += [other.answer(texts, pairs, batch_tokens) for other in self.others]
        return np.stack(found).mean(0)


def write(
    folder: Path, model: Model, task: Task, network: TaskModel, answers: Answers, settings: Settings,
    max_length: int, facts: dict[str, Any], *, pairs: bool,
) -> Path:  # fmt: skip
    """Write a fine-tuned folder whose encoder is `model.module`'s; `facts` are further entries of munmaek.json.

    `pairs`: it was trained on two texts a row.
    """
    section = {
        "name": task.name,
        "answers": answers.to_dict(),
        "pooling": network.pooling,
        "pairs": pairs,
        "apart": network.apart,
        "max_length": max_length,
        "head": {"kind": "linear", "dim": network.output.in_features, "dropout": settings.dropout},
        "settings": dataclasses.asdict(settings),
    }
    head = {name: tensor.detach().cpu().contiguous() for name, tensor in network.top().items()}
    inherited = ("size", "config", "tokenizer", "corpus", "recipe", "options")
    about = {name: model.facts[name] for name in inherited if name in model.facts}
    return model_folder.write(
        folder, model.system, model.module, model.tokenizer, about | facts | {"task": section}, {HEAD: save(head)}
    )


def read(model: str | Path | Model | Sequence[str | Path], device: str = "auto") -> Tuned:
    """A fine-tuned model from its folder, or several that answer as one.

    Raises:
        RequestError: a folder holds a model without a task, or several have different tasks or classes.
        CheckpointError: the head is missing or does not fit.
    """
    if isinstance(model, Sequence) and not isinstance(model, str):
        first, *others = (read(folder, device) for folder in model)
        if others and first.task.per_token is not None:
            fix = "Give one --model."
            raise RequestError("what two models find in texts has no mean", where=str(first.model.folder), fix=fix)
        for other in others:
            if (other.task.name, other.answers.classes) != (first.task.name, first.answers.classes):
                where = f"{first.model.folder} and {other.model.folder}"
                fix = "Fine-tune both on the same table."
                raise RequestError("two models of different tasks or classes have no mean", where=where, fix=fix)
        return Ensemble(**vars(first), others=others) if others else first
    loaded = load_model(model, device) if isinstance(model, str | Path) else model
    section = loaded.facts.get("task")
    if section is None:
        fix = f"Fine-tune it first: munmaek finetune classify --model {loaded.folder} --train FILE --out RUN"
        raise RequestError("the model was never fine-tuned on a task", where=str(loaded.folder), fix=fix)
    where = str(loaded.folder / model_folder.CARD)
    try:
        task = tasks.load(section["name"])
        answers = Answers.from_dict(section["answers"], where)
        pooling, max_length = str(section["pooling"]), int(section["max_length"])
        dropout = float(section["head"]["dropout"])
        apart = bool(section.get("apart", False))
        pairs = task.pairs if task.pairs is not None else section.get("pairs", True if apart else None)
        reader = dict(section.get("settings", {}).get("reader", {}))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the task section cannot be read: {error}", where=where) from error
    settings = dataclasses.replace(
        settings_for(1, loaded.dim), pooling=pooling, dropout=dropout, reader=reader, apart=apart
    )
    network = make_network(loaded.system, loaded.encoder, task, answers, settings)
    fill(network, loaded.folder / HEAD)
    return Tuned(loaded, task, answers, network.to(loaded.device).eval(), max_length, pairs)


def fill(network: TaskModel, path: Path) -> None:
    """Put a head's weights from a file into a network; CheckpointError where they are missing or wrong."""
    try:
        if path.stat().st_size > HEAD_LIMIT:
            raise CheckpointError("a head of over 1 GiB is not one of ours", where=str(path))
        tensors = load(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(
            "the task's head is missing", where=str(path), fix="Copy the whole folder again."
        ) from None
    except SafetensorError as error:
        raise CheckpointError(f"not a safetensors file: {error}", where=str(path)) from error
    own = network.top()
    odd = sorted(set(own) ^ set(tensors)) or [name for name in own if own[name].shape != tensors[name].shape]
    if odd:
        raise CheckpointError(f"the head does not fit the task: {', '.join(odd)}", where=str(path))
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise CheckpointError("the head holds weights that are not numbers", where=str(path))
    network.put_top(tensors)
