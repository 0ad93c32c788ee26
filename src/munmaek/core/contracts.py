"""The contracts between the rooms. Nothing here runs; everything here is implemented at least once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from munmaek.core.recipe import Recipe

Span = tuple[int, int]


@dataclass(frozen=True)
class Encoding:
    """One tokenised text: ids, the characters [start, end) of the text each came from, and its token strings.

    Special tokens have the empty span (0, 0) and `special` True. `type_ids` is 1 for the second text of a pair,
    whose offsets refer to the second text.
    """

    ids: list[int]
    offsets: list[Span]
    tokens: list[str]
    special: list[bool]
    type_ids: list[int]


@runtime_checkable
class Corpus(Protocol):
    """A restartable stream of documents; each is a list of sentences."""

    def __iter__(self) -> Iterator[list[str]]: ...


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids with character offsets, and back."""

    kind: str
    vocab_size: int

    def encode(self, text: str, pair: str | None = None, *, special: bool = True) -> Encoding: ...
    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, special: bool = True
    ) -> list[Encoding]: ...
    def decode(self, ids: Sequence[int]) -> str: ...
    def token_id(self, name: str) -> int: ...
    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Batch:
    """Rows for one optimiser step.

    Attributes:
        arrays: named inputs and targets; the first dimension of each is the row.
        num_tokens: real tokens, padding left out.
        counts: number of targets of each loss part, over all rows.
        position: where the batch after this one starts; the whole data state of a checkpoint.
        sample_ids: (rows,) which sample each row is.
        rate: factor on the learning rate of this step (Merity 2018 §5: windows of random length).
    """

    arrays: Mapping[str, NDArray[Any]]
    num_tokens: int
    counts: Mapping[str, int]
    position: int
    sample_ids: NDArray[np.int64]
    rate: float = 1.0

    @property
    def num_rows(self) -> int:
        return len(self.sample_ids)

    def rows(self, part: slice) -> dict[str, NDArray[Any]]:
        """The arrays of some of the rows, for one process or one accumulation step."""
        return {name: array[part] for name, array in self.arrays.items()}


@dataclass
class LossParts:
    """What an objective found on some rows: per part the summed loss in nats, its targets, and how many were right.

    Attributes:
        sums: part -> scalar tensor, summed over its targets.
        counts: part -> number of targets in these rows.
        correct: part -> scalar tensor, targets predicted exactly; empty for parts where that has no meaning.
        weights: part -> factor in the total (1 where absent).
    """

    sums: dict[str, torch.Tensor]
    counts: dict[str, int]
    correct: dict[str, torch.Tensor] = field(default_factory=dict[str, "torch.Tensor"])
    weights: dict[str, float] = field(default_factory=dict[str, float])

    def total(self, counts: Mapping[str, int] | None = None) -> torch.Tensor:
        """The sum over parts of weight x mean loss; `counts` are those of the whole batch these rows belong to."""
        counts = counts or self.counts
        terms = [self.weights.get(n, 1.0) * s / max(1, counts[n]) for n, s in self.sums.items() if counts[n]]
        return sum(terms[1:], terms[0])


class Objective(Protocol):
    """Data to batches, and a model's outputs to a loss.

    A sample is a pure function of (seed, epoch, index), masks included. `position` is one integer,
    epoch * 2**32 + batch within the epoch; seeking costs nothing.
    """

    def batches(
        self,
        data: Any,
        *,
        seed: int,
        position: int = 0,
        batch_tokens: int,
        progress: Callable[[int], float] = ...,
    ) -> Iterator[Batch]:
        """Endless batches from `position` on; `progress(k)` is the share of training done at the k-th batch yielded."""
        ...

    def epoch_batches(self, data: Any, *, seed: int, epoch: int, batch_tokens: int) -> int:
        """How many batches one epoch has."""
        ...

    def loss(self, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> LossParts:
        """Run the model on some rows of a batch (as tensors on its device) and measure it."""
        ...


@runtime_checkable
class KernelObjective(Objective, Protocol):
    """An objective with an update of its own in place of gradients and an optimiser (Word2Vec, GloVe).

    The model's tensors, whatever the update remembers among them, are parameters or persistent buffers: that is what a
    checkpoint holds.
    """

    def update(self, model: torch.nn.Module, batch: Batch, rate: float, seed: int) -> LossParts:
        """Learn from one whole batch in place at learning rate `rate`; the loss is that before each update.

        Randomness is a pure function of `seed` and the batch's position.
        """
        ...


@runtime_checkable
class CarryingObjective(Objective, Protocol):
    """An objective that carries states from one batch to the next (cell states across windows of one text).

    `carried` is empty at the start of a training, and part of every checkpoint.
    """

    carried: dict[str, torch.Tensor]


@runtime_checkable
class StartingObjective(Objective, Protocol):
    """An objective that lets a model, new or new to a corpus, begin with what counting alone tells of it."""

    def start_softmax(self, model: torch.nn.Module, data: Any) -> None:
        """Set the bias of the model's softmax to the logarithms of how often each word is a label."""
        ...


@runtime_checkable
class PreparingObjective(Objective, Protocol):
    """An objective that makes something of the corpus before its first batch and keeps it (co-occurrences)."""

    def prepare(self, data: Any, tell: Callable[[str, float], None]) -> None:
        """Make it now, where it is not there; `tell` hears what is being done and the share done, 0 to 1."""
        ...


@dataclass
class Encoded:
    """States of a batch: (layers, batch, seq, dim), mask (batch, seq) True on real tokens, and the encodings."""

    states: torch.Tensor
    mask: torch.Tensor
    encodings: list[Encoding]


class Encoder(Protocol):
    """Every system as a source of vectors: texts to states, one per layer and token.

    Attributes:
        module: the torch module whose parameters fine-tuning trains.
        dim: width of a state. num_layers: how many states a token has (the embedding layer counts).
        max_length: longest input in tokens, special ones included.
    """

    module: torch.nn.Module
    tokenizer: Tokenizer
    dim: int
    num_layers: int
    max_length: int

    def tokenize(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, max_length: int | None = None
    ) -> list[Encoding]:
        """Texts with the system's special tokens, cut to `max_length` (the longer of a pair is cut first)."""
        ...

    def collate(self, encodings: Sequence[Encoding]) -> dict[str, NDArray[Any]]:
        """Padded arrays, (batch, seq) each, named as `forward` takes them; "attention_mask" is boolean."""
        ...

    def forward(self, inputs: Mapping[str, torch.Tensor], all_layers: bool = False) -> torch.Tensor:
        """Differentiable states: (batch, seq, dim) of the last layer, or (layers, batch, seq, dim).

        Where layers differ in width, all are as wide as the widest, the others filled up with zeros.
        """
        ...

    def summary(self, states: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
        """(batch, dim) from last-layer states: "mean", "max", "first", "last", or "pooler" where the system has one."""
        ...

    def layer_groups(self) -> list[list[torch.nn.Parameter]]:
        """Parameters from the bottom (embeddings) to the top, for layer-wise learning rates."""
        ...


@dataclass(frozen=True)
class Likelihood:
    """What a language model makes of texts.

    Attributes:
        nats: summed negative log likelihood of every token and of each text's end.
        num_tokens: how many predictions that is. num_characters: of the texts, for bits per character.
        num_unknown: tokens that stand for what the vocabulary lacks; with any, bits per character flatter the model.
    """

    nats: float
    num_tokens: int
    num_characters: int
    num_unknown: int = 0


class LanguageModel(Protocol):
    """A system as a model of the next token: to score texts, and to write them.

    `state` is opaque: what `begin` and `advance` hand on so that one more token costs one more step.
    """

    tokenizer: Tokenizer
    end: int | None

    def likelihood(self, texts: Sequence[str], batch_tokens: int = 8192) -> Likelihood:
        """Score texts, each a document of its own, read from its beginning."""
        ...

    def begin(self, text: str) -> tuple[NDArray[np.float32], Any]:
        """Read a prompt (it may be empty): logits `(vocab,)` of the next token, and the state to go on from."""
        ...

    def advance(self, state: Any, token: int) -> tuple[NDArray[np.float32], Any]:
        """Read one more token: logits `(vocab,)` of the one after it, and the state."""
        ...


@dataclass(frozen=True)
class Adaptation:
    """How a paper fine-tunes its own system; what is left out follows the defaults for every system.

    Attributes:
        settings: (number of labels, whether every token is answered) -> the values of `tasks.defaults.Settings` that
            differ.
        head: (dim, num_outputs, dropout, seed) -> the module on top of a text's vector.
        auxiliary: (module, last states, inputs) -> (summed language-model loss on the task's texts in nats, number of
            targets: every token but each text's first).
        both_orders: pairs of a symmetric task are read in both orders and their vectors added.
        apart: by default the texts of a pair are read one by one, and how their vectors meet is answered
            (`nn.heads.meet`).
        going_on: values of `recipe.Recipe` that differ where pre-training goes on from a model (`--init`).
        reader: (num_layers, dim, options from the settings) -> a module between encoder and pooling: (states of all
            layers `(layers, batch, seq, dim)`, mask) -> states `(batch, seq, its own dim)`. Its `only_mix` is the
            `nn.mix.ScalarMix` of the layers where it does nothing else, or None.
    """

    settings: Callable[[int, bool], Mapping[str, Any]] | None = None
    head: Callable[[int, int, float, int], torch.nn.Module] | None = None
    auxiliary: (
        Callable[[torch.nn.Module, torch.Tensor, Mapping[str, torch.Tensor]], tuple[torch.Tensor, int]] | None
    ) = None
    both_orders: bool = False
    apart: bool = False
    going_on: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reader: Callable[[int, int, Mapping[str, Any]], torch.nn.Module] | None = None


@dataclass(frozen=True)
class System:
    """The card of a system: what the register hands out.

    Attributes:
        name: folder and command-line name. title, paper: for people.
        config: the dataclass of the model. presets: size -> its settings. recipes: size -> Recipe.
        at_words: size -> values of Recipe that differ where the embeddings start at word vectors (run/word_start.py).
        options: objective options a user may set -> what they do, with their defaults in the objective.
        build: config -> model with its pre-training heads, initialised as the paper says.
        objective: (config, tokenizer, max_length, options) -> Objective.
        encoder: (model, tokenizer) -> Encoder.
        save: (model, tokenizer, folder) writes the ecosystem's own files. load: folder -> (model, tokenizer).
        imports: name of a foreign format -> (folder -> (model, tokenizer)).
        exports: name of a foreign format -> (model, tokenizer, folder) writes its files.
        tokenizer, vocab_size: the kind and size of tokenizer that suits it, where the user asks for none.
        masked_words: (model, inputs, places (batch, seq) bool) -> logits (places, vocab) of the words at those places;
            None without such a head.
        token_embeddings: model -> the matrix (vocab, dim) that its tokens are looked up in, of a system that computes
            them from their spelling the softmax's; None without one.
        spell: (model, tokenizer, ids, vectors, counts of all ids, seconds or None, tell) teaches what computes vectors
            from spelling to give those of known tokens; None where tokens are looked up.
        language_model: (model, tokenizer) -> LanguageModel; None where the system predicts no next token.
        fit: (model, objective, shards, progress) fills a model that is counted, not trained step by step; None else.
        adaptation: the paper's own way of fine-tuning, from adapt.py; None for what all systems do.
        makes_vectors: whether the encoder gives vectors; False for a model of probabilities alone.
        holds_out: whether some documents are kept from training to measure its loss on; False where it means nothing.
    """

    name: str
    title: str
    paper: str
    config: type
    presets: Mapping[str, Mapping[str, Any]]
    recipes: Mapping[str, Recipe]
    options: Mapping[str, str]
    build: Callable[[Any], torch.nn.Module]
    objective: Callable[..., Objective]
    encoder: Callable[[torch.nn.Module, Tokenizer], Encoder]
    save: Callable[[torch.nn.Module, Tokenizer, Path], None]
    load: Callable[[Path], tuple[torch.nn.Module, Tokenizer]]
    imports: Mapping[str, Callable[[Path], tuple[torch.nn.Module, Tokenizer]]] = field(default_factory=dict[str, Any])
    exports: Mapping[str, Callable[[torch.nn.Module, Tokenizer, Path], None]] = field(default_factory=dict[str, Any])
    tokenizer: str = "wordpiece"
    vocab_size: int = 16_000
    at_words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Any])
    masked_words: Callable[[torch.nn.Module, Mapping[str, torch.Tensor], torch.Tensor], torch.Tensor] | None = None
    token_embeddings: Callable[[torch.nn.Module], torch.Tensor] | None = None
    spell: Callable[..., None] | None = None
    language_model: Callable[[torch.nn.Module, Tokenizer], LanguageModel] | None = None
    fit: Callable[[torch.nn.Module, Objective, Any, Callable[[float], None]], None] | None = None
    adaptation: Adaptation | None = None
    makes_vectors: bool = True
    holds_out: bool = True

    @property
    def contextual(self) -> bool:
        """Whether a token's vector depends on the text around it: whether there are layers above its embeddings."""
        return self.makes_vectors and any(each.name == "num_layers" for each in fields(self.config))
