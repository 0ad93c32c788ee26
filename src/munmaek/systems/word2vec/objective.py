"""Sentences to batches, and a batch to what is learnt from it (Mikolov 2013a §3, 2013b §2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from munmaek.core.contracts import Batch, LossParts, Tokenizer
from munmaek.core.errors import DataError, RequestError
from munmaek.core.positions import walk
from munmaek.core.runtime import draw, num_threads, permutation
from munmaek.data.tokenizers import special_ids
from munmaek.systems.word2vec import kernels, subwords, tables

PART = "word"
ARCHITECTURES = ("skip-gram", "cbow")
LOSSES = ("negative", "hierarchical")
OPTIONS = {
    "architecture": "skip-gram (each neighbour predicts the word) or cbow (their mean does) (default skip-gram)",
    "loss": "negative (sampling) or hierarchical (softmax over a Huffman tree) (default negative)",
    "window": "most words to each side; each place draws 1 to this many (default 5)",
    "negatives": "words drawn at each place to be told from the right one (default 5)",
    "power": "negatives are drawn in proportion to count^power (default 0.75)",
    "subsample": "words above this share of the corpus are left out the more often the more there are (default 1e-3)",
}
"""Options a user may set."""
_ORDER, _WORDS = 0x0DE4, 0x3AD5
_AT_ONCE = 1 << 12
"""Sentences looked at together."""
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Corpus:
    """One corpus in pieces: sentences, cut where they are longer than `most`.

    Batch n is the pieces [borders[n], borders[n + 1]), of which begins[n] says where the first stands; see `_layout`.
    """

    shards: Any
    most: int
    batch_tokens: int
    borders: Ints
    begins: Ints

    def pieces(self, number: int) -> tuple[Ints, Ints]:
        """The first token of each piece of a batch, and how many tokens it has."""
        first, begin, skipped = self.begins[number].tolist()
        if number + 1 < len(self.begins):
            last, stop = self.begins[number + 1, :2].tolist()
            end = stop + 1
        else:
            last = len(self.shards.documents) - 1
            end = int(self.shards.document_offsets[self.shards.documents[last] + 1])
        size = self.borders[number + 1] - self.borders[number]
        *_, starts, lengths = _pieces(self.shards, self.most, first, last, begin, end)
        return starts[skipped : skipped + size], lengths[skipped : skipped + size]


@dataclass(frozen=True)
class _Tables:
    """What the kernels look up, computed from the counts of the whole corpus."""

    counts: Ints
    keep: NDArray[np.uint32]
    alias: NDArray[np.uint32]
    paths: tuple[Ints, NDArray[np.int32], NDArray[np.uint8]]


class Word2VecObjective:
    """A `contracts.KernelObjective`: skip-gram or CBOW, with negative sampling or hierarchical softmax.

    A sample is a sentence, or a piece of one of `max_length` words; a batch is a stretch of the corpus, and the order
    of batches is drawn anew in every epoch. The arrays of a batch belong together: its rows cannot be taken apart.

    Attributes:
        notes: what a person should know about the corpus, once it has been looked at.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        grams: tuple[Ints, Ints],
        *,
        architecture: str = "skip-gram",
        loss: str = "negative",
        window: Any = 5,
        negatives: Any = 5,
        power: Any = 0.75,
        subsample: Any = 1e-3,
    ) -> None:
        for name, value, known in (("architecture", architecture, ARCHITECTURES), ("loss", loss, LOSSES)):
            if value not in known:
                raise RequestError(f"no {name} {value!r}", where=name, fix=f"One of {', '.join(known)}.")
        for name, value, most in (("window", window, 100), ("negatives", negatives, 60)):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise RequestError(f"{name} is {value!r}", where=name, fix=f"A whole number from 1 to {most}.")
        for name, value in (("power", power), ("subsample", subsample)):
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
                raise RequestError(f"{name} is {value!r}", where=name, fix="A number from 0 to 1.")
        self.max_length = min(max_length, kernels.LONGEST)
        self.window, self.negatives, self.power, self.subsample = window, negatives, float(power), float(subsample)
        self.cbow, self.tree = architecture == "cbow", loss == "hierarchical"
        self.vocab_size = tokenizer.vocab_size
        self.unseen = special_ids(tokenizer)
        self.grams = grams
        self.notes: list[str] = []
        self._corpora: list[_Corpus] = []
        self._tables: _Tables | None = None
        self._pool: ThreadPoolExecutor | None = None

    # ---- data -----------------------------------------------------------------------------------------------------

    def tables(self, data: Any) -> _Tables:
        """Counts of the whole corpus that `data` is part of, and what follows from them; computed once.

        Raises:
            DataError: no word of the vocabulary occurs.
        """
        if self._tables is None:
            counts = _counted(data.ids, self.vocab_size)
            unknown = int(counts[self.unseen].sum())
            counts[self.unseen] = 0
            if not counts.any():
                raise DataError("the corpus has no word of the vocabulary", where="corpus", fix="Lower --min-count.")
            share = unknown / max(1, unknown + int(counts.sum()))
            self.notes.append(f"{int((counts > 0).sum()):,} words; {share:.1%} of the corpus is in none of them")
            paths = tables.huffman_paths(counts) if self.tree else tables.NO_PATHS
            alias = tables.alias_table(counts, self.power)
            self._tables = _Tables(counts, tables.keep_table(counts, self.subsample), alias, paths)
        return self._tables

    def _corpus(self, data: Any, batch_tokens: int) -> _Corpus:
        for corpus in self._corpora:
            if corpus.shards is data and corpus.batch_tokens == batch_tokens:
                return corpus
        most = min(self.max_length, batch_tokens)
        borders, begins = _layout(data, most, batch_tokens)
        if not len(begins):
            raise DataError("the corpus has no text to train on", where="corpus", fix="Run munmaek doctor on it.")
        corpus = _Corpus(data, most, batch_tokens, borders, begins)
        self._corpora = [*self._corpora[-3:], corpus]
        return corpus

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        return len(self._corpus(data, batch_tokens).borders) - 1

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = lambda k: 0.0,
    ) -> Iterator[Batch]:
        """Endless batches from `position` on; see `contracts.Objective`."""
        self.tables(data)
        corpus = self._corpus(data, batch_tokens)
        num = len(corpus.borders) - 1

        def epoch_of(epoch: int) -> tuple[int, Callable[[int, int], Batch]]:
            order = permutation(num, seed, epoch, _ORDER)
            return num, lambda place, following: _batch(corpus, int(order[place]), seed, epoch, following)

        yield from walk(position, epoch_of)

    # ---- learning -------------------------------------------------------------------------------------------------

    def update(self, model: nn.Module, batch: Batch, rate: float, seed: int) -> LossParts:
        """Learn from a batch in place, in as many threads as `num_threads` says, each with a stretch of its own.

        Threads write to the same vectors without asking one another (Hogwild, Recht 2011, as the original program
        does); one thread alone gives the same result to the bit.
        """
        model.counts.copy_(torch.from_numpy(self._known().counts))  # type: ignore[operator]
        return self._learn(model, batch.arrays, rate, num_threads())

    def loss(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> LossParts:
        """The loss on a batch as it is, in nats: with gradients where they are asked for, else by the kernel."""
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        if not torch.is_grad_enabled():
            return self._learn(model, arrays, 0.0, num_threads())
        left, right, labels = self.pairs(arrays)
        entries = self._entries(left)
        hidden = model(*entries).reshape(*left.shape, -1)
        there = torch.from_numpy(left >= 0)[:, :, None]
        hidden = (hidden * there).sum(1) / there.sum(1)
        targets = torch.from_numpy(right)
        logits = torch.einsum("nd,nmd->nm", hidden, nn.functional.embedding(targets.clamp(min=0), model.outputs))  # type: ignore[arg-type]
        each = nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(labels), reduction="none")
        return LossParts({PART: (each * (targets >= 0)).sum()}, {PART: len(left)})

    def pairs(self, arrays: Mapping[str, NDArray[Any]]) -> tuple[Ints, Ints, NDArray[np.float32]]:
        """What meets in a batch, in the order in which the kernel takes it, with the same random numbers.

        Returns:
            Words that predict (targets, 1; with CBOW up to 2 window), the rows they are compared with (targets, most),
            and the labels of these; -1 where there is none.
        """
        known = self._known()
        negatives = 0 if self.tree else self.negatives
        return kernels.pairs(
            arrays["input_ids"], arrays["offsets"], arrays["samples"], np.uint64(arrays["seed"].view(np.uint64)[0]),
            known.keep, known.alias, known.paths, self.window, negatives, self.cbow,
        )  # fmt: skip

    def _entries(self, words: Ints) -> tuple[Tensor, Tensor | None]:
        """Words as `Word2Vec.forward` takes them; -1 is read as word 0."""
        flat = np.maximum(words.ravel(), 0)
        if len(self.grams[0]) == 1:
            return torch.from_numpy(flat), None
        rows, borders = subwords.gathered(self.grams, flat)
        return torch.from_numpy(rows), torch.from_numpy(borders)

    def _known(self) -> _Tables:
        assert self._tables is not None, "batches come first"
        return self._tables

    def _learn(self, model: nn.Module, arrays: Mapping[str, NDArray[Any]], rate: float, threads: int) -> LossParts:
        known, (inputs, outputs) = self._known(), (p.detach().numpy() for p in model.parameters())
        seed = np.uint64(arrays["seed"].view(np.uint64)[0])

        def part(first: int, last: int) -> tuple[float, int, int]:
            return kernels.learn(
                arrays["input_ids"], arrays["offsets"][first : last + 1], arrays["samples"][first:last], seed,
                known.keep, inputs, outputs, known.alias, known.paths, self.grams, self.window, self.negatives,
                self.cbow, np.float32(rate),
            )  # fmt: skip

        offsets = arrays["offsets"]
        shares = np.searchsorted(offsets, np.linspace(0, offsets[-1], threads + 1)[1:-1])
        cuts = [0, *shares.tolist(), len(offsets) - 1]
        if threads == 1:
            found = [part(0, cuts[-1])]
        else:
            self._pool = self._pool or ThreadPoolExecutor(threads)
            found = list(self._pool.map(part, cuts[:-1], cuts[1:]))
        total, targets = sum(part[0] for part in found), sum(part[1] for part in found)
        return LossParts({PART: torch.tensor(total, dtype=torch.float64)}, {PART: max(1, targets)})


def _counted(ids: NDArray[Any], size: int) -> Ints:
    """How often each id occurs, in bounded memory."""
    counts = np.zeros(size, np.int64)
    step = 1 << 16
    for start in range(0, len(ids), step):
        counts += np.bincount(ids[start : start + step], minlength=size)
    return counts


def _layout(data: Any, most: int, batch_tokens: int) -> tuple[Ints, Ints]:
    """Which pieces are a batch: runs of at most `batch_tokens` tokens, found a few documents at a time.

    Returns:
        (batches + 1,) the number of each batch's first piece, and (batches, 3) where it stands: the place of its
        document in the view, its sentence, and how many pieces of that sentence come before it. No piece is kept, since
        a corpus has many of them beside its vectors.
    """
    borders, begins, left = [0], [], np.zeros((4, 0), np.int64)
    step = max(1, _AT_ONCE * len(data.document_offsets) // len(data.sentence_offsets))
    for first in range(0, len(data.documents), step):
        last = min(first + step, len(data.documents)) - 1
        end = int(data.document_offsets[data.documents[last] + 1])
        owners, sentences, numbers, _, lengths = _pieces(data, most, first, last, None, end)
        left = np.concatenate([left, np.stack([owners, sentences, numbers, lengths])], axis=1)
        whole = last + 1 == len(data.documents)
        while left.shape[1] and (whole or left[3].sum() > batch_tokens):
            size = int(np.searchsorted(np.cumsum(left[3]), batch_tokens, side="right"))
            begins.append(left[:3, 0].copy())
            borders.append(borders[-1] + size)
            left = left[:, size:]
    return np.array(borders), np.array(begins, np.int64).reshape(-1, 3)


def _pieces(data: Any, most: int, first: int, last: int, begin: int | None, end: int) -> tuple[Ints, ...]:
    """The pieces of some of a view's sentences, each sentence cut into equal ones where it is longer than `most`.

    Args:
        first, last: places in the view of the first and the last document. begin: its first sentence, by default the
            document's. end: the sentence of the last document to stop before.
    Returns:
        (pieces,) each: place of the document, sentence, number in the sentence, first token, tokens.
    """
    documents = data.documents[first : last + 1]
    opens, closes = data.document_offsets[documents], data.document_offsets[documents + 1]
    opens[0], closes[-1] = opens[0] if begin is None else begin, end
    sizes = closes - opens
    sentences = np.arange(int(sizes.sum())) + np.repeat(opens - (np.cumsum(sizes) - sizes), sizes)
    starts = np.asarray(data.sentence_offsets[sentences])
    tokens = data.sentence_offsets[sentences + 1] - starts
    parts = -(-tokens // most)
    owner = np.repeat(np.arange(len(parts)), parts)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
    low, high = ((number + n) * tokens[owner] // parts[owner] for n in (0, 1))
    return (
        np.repeat(np.arange(first, last + 1), sizes)[owner],
        sentences[owner],
        number,
        starts[owner] + low,
        high - low,
    )


def _batch(corpus: _Corpus, number: int, seed: int, epoch: int, position: int) -> Batch:
    samples = np.arange(corpus.borders[number], corpus.borders[number + 1])
    starts, lengths = corpus.pieces(number)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    places: Any = slice(int(starts[0]), int(starts[-1] + lengths[-1]))
    if places.stop - places.start > offsets[-1]:  # the view has not all documents in between
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    arrays: dict[str, NDArray[Any]] = {
        "input_ids": corpus.shards.ids[places].astype(np.int32), "offsets": offsets, "samples": samples,
        "seed": draw(seed, epoch, _WORDS).reshape(1).view(np.int64),
    }  # fmt: skip
    return Batch(arrays, int(offsets[-1]), {PART: int(offsets[-1])}, position, samples)
