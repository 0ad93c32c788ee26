"""A loaded model: vectors for texts, tokens and words, the same calls for every system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from munmaek import systems
from munmaek.core.contracts import Encoder, Encoding, LanguageModel, System, Tokenizer
from munmaek.core.errors import RequestError
from munmaek.data.usages import find_word, held
from munmaek.run import folder as model_folder
from munmaek.train import distributed

POOLINGS = ("mean", "first", "last", "max")


@dataclass(frozen=True)
class Token:
    """A token and the characters [start, end) of the text it stands for."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class WordSimilarity:
    """A word in two sentences: the cosine of its two vectors, of the sentences', and of the word's by layer."""

    word: str
    cosine: float
    sentences: float
    layers: list[float]


class Model:
    """A model in memory, in evaluation mode. Made by `munmaek.load(folder)`.

    Attributes:
        system: its card. encoder: texts to states. facts: what munmaek.json says. dim: width of a vector.
    """

    def __init__(self, loaded: model_folder.Loaded, device: str = "auto", precision: str = "fp32") -> None:
        self.folder = loaded.folder
        self.facts: dict[str, Any] = loaded.facts
        self.system: System = loaded.system
        self.tokenizer: Tokenizer = loaded.tokenizer
        self.device = distributed.pick_device(device)
        self.precision = distributed.pick_precision(precision, self.device)
        self.module = loaded.module.to(self.device).eval()
        self.encoder: Encoder = loaded.system.encoder(self.module, loaded.tokenizer)

    @cached_property
    def dim(self) -> int:
        return self.encoder.dim

    @property
    def num_layers(self) -> int:
        """States a token has, the embedding layer's counted."""
        return self.encoder.num_layers

    def __repr__(self) -> str:
        return f"Model({self.system.title}, {self.num_layers} layers x {self.dim}, {self.folder})"

    # ---- texts ----------------------------------------------------------------------------------------------------

    def embed(
        self, texts: str | Sequence[str], pooling: str = "mean", *, normalise: bool = False, batch_tokens: int = 8192
    ) -> NDArray[np.float32]:
        """One vector a text, float32 `(texts, dim)`; texts longer than the model reads are cut.

        Args:
            pooling: how token vectors become one: "mean", "first", "last" or "max".
            normalise: divide each vector by its length, so that a dot product is a cosine.
        """
        if pooling not in POOLINGS:
            raise RequestError(f"no pooling {pooling!r}", where="pooling", fix=f"Poolings: {', '.join(POOLINGS)}.")
        texts = [texts] if isinstance(texts, str) else list(texts)
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for rows, encodings in _by_length(self.encoder.tokenize(texts), batch_tokens):
            states, mask = self._forward(encodings, all_layers=False)
            vectors[rows] = self.encoder.summary(states, mask, pooling).float().cpu().numpy()
        if normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def similarity(self, first: str, second: str, pooling: str = "mean") -> float:
        """The cosine of two texts' vectors, -1 to 1."""
        left, right = self.embed([first, second], pooling, normalise=True)
        return float(left @ right)

    # ---- tokens and words -----------------------------------------------------------------------------------------

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text with their characters; special tokens are left out."""
        encoding = self.encoder.tokenize([text])[0]
        chosen = [i for i, special in enumerate(encoding.special) if not special]
        return [Token(encoding.tokens[i], *encoding.offsets[i]) for i in chosen]

    def states(self, text: str) -> NDArray[np.float32]:
        """Every layer's vector of every token in `tokens(text)`, `(layers, tokens, dim)`; layer 0 is the embeddings."""
        encoding = self.encoder.tokenize([text])[0]
        states, _ = self._forward([encoding], all_layers=True)
        chosen = [i for i, special in enumerate(encoding.special) if not special]
        return states[:, 0, chosen].float().cpu().numpy()

    def word_vector(self, text: str, word: str, occurrence: int = 0, layer: int = -1) -> NDArray[np.float32]:
        """The vector `(dim,)` of a word in its sentence: the mean over the tokens that hold its characters.

        Args:
            occurrence: which one, where the word stands in the text several times; 0 is the first.
            layer: 0 is the embeddings, -1 the last.
        Raises:
            RequestError: the word is not there that often, or stands past the longest input.
        """
        return self.word_layers(text, word, occurrence)[layer]

    def word_layers(self, text: str, word: str, occurrence: int = 0) -> NDArray[np.float32]:
        """A word's vector in every layer, `(layers, dim)`; see `word_vector`."""
        return self.span_layers(text, *find_word(text, word, occurrence))

    def span_layers(self, text: str, start: int, end: int) -> NDArray[np.float32]:
        """The vectors of text[start:end], `(layers, dim)`: the mean over the tokens that hold those characters."""
        vectors = self.spans_layers([text], [(start, end)])[0]
        if np.isnan(vectors).any():
            raise RequestError(
                f"{text[start:end]!r} stands past the {self.encoder.max_length} tokens that the model reads",
                fix="Give a shorter text.",
            )
        return vectors

    def spans_layers(
        self, texts: Sequence[str], spans: Sequence[tuple[int, int]], batch_tokens: int = 8192
    ) -> NDArray[np.float32]:
        """The vectors of a span of characters in each text, `(texts, layers, dim)`; NaN where it is past what is read.

        A vector is the mean over the tokens that hold characters of the span. `dim` is that of the widest layer. A text
        that is given several times, with other spans, is read once.
        """
        places: dict[str, list[int]] = {}
        for row, text in enumerate(texts):
            places.setdefault(text, []).append(row)
        distinct = list(places)
        vectors = np.full((len(texts), self.num_layers, self.dim), np.nan, dtype=np.float32)
        for numbers, encodings in _by_length(self.encoder.tokenize(distinct), batch_tokens):
            states = self._forward(encodings, all_layers=True)[0].float().cpu().numpy()
            if states.shape[-1] != vectors.shape[-1]:  # a system whose inner layers are wider than its vectors
                vectors = np.full((*vectors.shape[:2], states.shape[-1]), np.nan, dtype=np.float32)
            for place, (number, encoding) in enumerate(zip(numbers, encodings, strict=True)):
                for row in places[distinct[number]]:
                    if chosen := held(encoding, *spans[row]):
                        vectors[row] = states[:, place, chosen].mean(1)
        return vectors

    def similar(self, first: str, second: str, word: str, second_word: str | None = None) -> WordSimilarity:
        """One word in two sentences: how alike its two vectors are, in each layer."""
        left, right = self.word_layers(first, word), self.word_layers(second, second_word or word)
        layers = [_cosine(a, b) for a, b in zip(left, right, strict=True)]
        return WordSimilarity(word, layers[-1], self.similarity(first, second), layers)

    # ---- the next token -------------------------------------------------------------------------------------------

    def language_model(self) -> LanguageModel:
        """The model of the next token; RequestError where the system predicts none."""
        if self.system.language_model is None:
            able = [name for name in systems.names() if systems.load(name).language_model is not None]
            raise RequestError(
                f"{self.system.title} does not predict the next token", where=str(self.folder),
                fix=f"Systems that do: {', '.join(able)}.",
            )  # fmt: skip
        return self.system.language_model(self.module, self.tokenizer)

    def generate(
        self, prompt: str = "", *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, max_tokens: int = 100,
        stop: Sequence[str] = (), seed: int = 0,
    ) -> str:  # fmt: skip
        """The continuation of a prompt; see `munmaek.run.generate.Sampling` for the arguments."""
        from munmaek.run.generate import generate

        return generate(
            self, prompt, temperature=temperature, top_k=top_k, top_p=top_p, max_tokens=max_tokens, stop=stop, seed=seed
        ).text

    def _forward(self, encodings: Sequence[Encoding], all_layers: bool) -> tuple[torch.Tensor, torch.Tensor]:
        inputs = distributed.to_tensors(self.encoder.collate(encodings), self.device)
        with torch.inference_mode(), distributed.autocast(self.device, self.precision):
            return self.encoder.forward(inputs, all_layers), inputs["attention_mask"]


def load(folder: str | Path, device: str = "auto", precision: str = "fp32") -> Model:
    """Load a model folder written by `pretrain`, `finetune` or `import`.

    Raises CheckpointError (a ValueError) where a file is missing, damaged or of another kind.
    """
    return Model(model_folder.read(folder), device, precision)


def _cosine(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    return float(first @ second / max(1e-12, float(np.linalg.norm(first) * np.linalg.norm(second))))


def _by_length(encodings: Sequence[Encoding], batch_tokens: int) -> Iterator[tuple[list[int], list[Encoding]]]:
    """Rows of about equal length together, at most `batch_tokens` padded tokens at a time."""
    order = sorted(range(len(encodings)), key=lambda row: len(encodings[row].ids))
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and len(encodings[order[stop]].ids) * (stop + 1 - start) <= batch_tokens:
            stop += 1
        rows = order[start:stop]
        yield rows, [encodings[row] for row in rows]
        start = stop
