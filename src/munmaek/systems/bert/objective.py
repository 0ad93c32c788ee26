"""Masked words and sentence pairs: shards to batches, outputs to a loss (Devlin 2018 §3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.config import check_value
from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import DataError, RequestError
from munmaek.core.positions import walk
from munmaek.data.chunks import Chunks, batches_of, cut
from munmaek.nn.softmax import start_at_frequencies
from munmaek.systems.bert import samples
from munmaek.systems.bert.masking import Masker, MaskRate
from munmaek.systems.bert.samples import Rows

MODES = ("auto", "nsp", "sop", "off")
OPTIONS = {
    "mask_rate": "share of tokens to hide, or two from start to end of training: 0.15, 0.30-0.15 (default 0.50-0.15)",
    "whole_word": "hide all tokens of an eojeol or none: true or false (default false)",
    "next_sentence": "auto (next sentences where most of the text has documents of two), nsp, sop (order), off",
}
"""Options a user may set."""


@dataclass(frozen=True)
class _Table:
    """One corpus cut for this objective; `mode` is "nsp", "sop" or "off"."""

    shards: Any
    mode: str
    chunks: Chunks


class BertObjective:
    """Masked language model, with next sentence or sentence order prediction where the corpus has documents.

    Attributes:
        notes: what a person should know about how the corpus is used; filled by `look_at` or the first batch.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        *,
        mask_rate: float | str = "0.50-0.15",
        whole_word: Any = False,
        next_sentence: str = "auto",
    ) -> None:
        if next_sentence not in MODES:
            raise RequestError(f"no mode {next_sentence!r}", where="next_sentence", fix=f"Modes: {', '.join(MODES)}.")
        if max_length < 8:
            raise RequestError(f"max_length is {max_length}", where="max_length", fix="Give 8 tokens or more.")
        check_value("whole_word", whole_word, bool, "whole_word")
        self.max_length = max_length
        self.rate = MaskRate.parse(mask_rate)
        self.mode = next_sentence
        self.special = special_ids(tokenizer)
        self.masker = Masker(self.special, tokenizer.vocab_size, whole_word)
        self.notes: list[str] = []
        self._tables: list[_Table] = []

    def start_softmax(self, model: nn.Module, data: Any) -> None:
        """See `contracts.StartingObjective`."""
        start_at_frequencies(model.word_bias, data.counts())  # type: ignore[arg-type]

    # ---- data -----------------------------------------------------------------------------------------------------

    def look_at(self, data: Any) -> _Table:
        """Cut a corpus (once), decide on sentence pairs and fill `notes`.

        Raises:
            RequestError: pairs were asked for and the corpus has no two documents of two sentences.
            DataError: there is no text.
        """
        for table in self._tables:
            if table.shards is data:
                return table
        mode, notes = self._decide(data)
        room = self.max_length - (2 if mode == "off" else 3)
        chunks = cut(data, room) if mode == "off" else samples.cut_for_pairs(data, room)
        if mode != "off" and not len(chunks):  # a small part of a corpus that has pairs elsewhere
            mode, chunks = "off", cut(data, self.max_length - 2)
        if not len(chunks):
            raise DataError("the corpus has no text to train on", where="corpus", fix="Run munmaek doctor on it.")
        self.notes += [note for note in notes if note not in self.notes]
        table = _Table(data, mode, chunks)
        self._tables = [*self._tables[-3:], table]
        return table

    def _decide(self, data: Any) -> tuple[str, list[str]]:
        """The mode for a corpus, judged by the whole of it and not by the part that `data` may be; and what to say."""
        if self.mode == "off":
            return "off", []
        borders, offsets = np.asarray(data.document_offsets), np.asarray(data.sentence_offsets)
        tokens = np.diff(offsets[borders])
        several = np.diff(borders) >= 2
        share = float(tokens[several].sum() / max(1, tokens.sum()))
        name = "sentence order prediction" if self.mode == "sop" else "next sentence prediction"
        needed = 1 if self.mode == "sop" else 2
        found = f"{int(several.sum()):,} of {len(several):,} documents have two sentences or more"
        if several.sum() < needed and self.mode != "auto":
            raise RequestError(
                f"{name} needs documents of two sentences and the corpus has too few: {found}",
                where="next_sentence",
                fix="Put a blank line between documents and one sentence a line, or set next_sentence=off.",
            )
        if self.mode == "auto" and (share <= 0.5 or several.sum() < 2):
            return "off", [f"{name} is off: {found} ({share:.0%} of the tokens)."]
        left_out = int((~several).sum())
        said = f"; {left_out:,} documents of one sentence are left out" if left_out else ""
        return ("nsp" if self.mode == "auto" else self.mode), [f"{name} is on: {found}{said}."]

    def _rows(self, table: _Table, seed: int, epoch: int) -> Rows:
        if table.mode == "off":
            return samples.singles(table.chunks)
        if table.mode == "sop":
            return samples.ordered_pairs(table.chunks, table.shards, seed, epoch)
        return samples.next_pairs(table.chunks, table.shards, self.max_length - 3, seed, epoch)

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        lengths = self._rows(self.look_at(data), seed, epoch).lengths
        return len(batches_of(lengths, batch_tokens, seed, epoch))

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches from `position` on; see `contracts.Objective`. `progress` sets the mask rate."""
        table = self.look_at(data)
        yielded = count()

        def epoch_of(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            rows = self._rows(table, seed, epoch)
            groups = batches_of(rows.lengths, batch_tokens, seed, epoch)

            def batch_at(place: int, following: int) -> Batch:
                rate = self.rate.at(progress(next(yielded)))
                return self._collate(table, rows, groups[place], rate, seed, epoch, following)

            return len(groups), batch_at

        yield from walk(position, epoch_of)

    # ---- one batch ------------------------------------------------------------------------------------------------

    def _collate(
        self, table: _Table, rows: Rows, chosen: NDArray[np.int64], rate: float, seed: int, epoch: int, position: int
    ) -> Batch:
        lengths = rows.lengths[chosen]
        (first_start, second_start), (first, second) = rows.starts[:, chosen, None], rows.sizes[:, chosen, None]
        column = np.arange(int(lengths.max()))
        in_first = (column >= 1) & (column <= first)
        in_second = (column >= first + 2) & (column < first + 2 + second)
        text = in_first | in_second
        source = np.where(in_second, second_start + column - first - 2, first_start + column - 1)[text]
        attended = column < lengths[:, None]
        ids = np.where(attended, self.special["sep"], self.special["pad"])
        ids[:, 0] = self.special["cls"]
        ids[text] = table.shards.ids[source]
        starts = None
        if self.masker.whole_word:
            starts = (column == 1) | (column == first + 2)
            starts[text] |= np.asarray(table.shards.word_starts[source], dtype=bool)
        masked = self.masker.hide(ids, text, starts, rate, seed, epoch, chosen)
        arrays: dict[str, NDArray[Any]] = {
            "input_ids": masked.ids,
            "attention_mask": attended,
            "token_type_ids": (attended & (column >= first + 2)).astype(np.int64),
            "masked_positions": masked.positions,
            "masked_labels": masked.labels,
            "masked_weights": masked.weights,
        }
        counts = {"mlm": int(masked.weights.sum())}
        if rows.labels is not None:
            arrays["next_sentence_labels"] = rows.labels[chosen]
            counts[table.mode] = len(chosen)
        return Batch(arrays, int(lengths.sum()), counts, position, chosen)

    # ---- loss -----------------------------------------------------------------------------------------------------

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """Summed cross entropy, nats, float32, of the hidden words ("mlm") and of the pairs ("nsp" or "sop")."""
        given = dict(inputs)
        labels = given.pop("next_sentence_labels", None)
        output = model(**given)
        sums = {"mlm": output.word_loss}
        counts = {"mlm": int(given["masked_weights"].sum())}
        correct = {} if output.word_hits is None else {"mlm": output.word_hits}
        if labels is not None:
            name = "sop" if self.mode == "sop" else "nsp"
            logits = output.pair_logits.float()
            sums[name] = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
            counts[name] = len(labels)
            correct[name] = (logits.detach().argmax(1) == labels).sum()
        return LossParts(sums, counts, correct)


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """Role -> id of the special tokens; RequestError where one that BERT needs is missing ("unk" may be)."""
    found = {role: tokenizer.token_id(role) for role in ("pad", "cls", "sep", "mask")}
    with suppress(RequestError):  # byte-level vocabularies know every text
        found["unk"] = tokenizer.token_id("unk")
    return found
