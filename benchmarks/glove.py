"""GloVe on the reviews: counting and training, beside Stanford's programs where they are, in one run on one machine.

    python benchmarks/glove.py --threads 2 --peer GloVe/build

Window 10, eojeols (what white space leaves) that occur 5 times, dimension 100, x_max 10, three passes over the entries.
`--peer` is a folder with vocab_count, cooccur, shuffle and glove, built by the user; they read the same words, line by
line, that ours reads as shards. Printed: words counted and entries learnt from a second, the cost after each pass (the
quality of both), and what a million words cost to count as the corpus grows from 1 to 16 million words by repetition.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

WINDOW, MIN_COUNT, X_MAX = 10, 5, 10.0
ROUNDS = 5


def reviews() -> str:
    """The unlabelled reviews of NSMC in the data folder."""
    from munmaek.data.datasets import find, find_file

    found = find_file(find("nsmc"), "reviews.txt")
    if found is None:
        raise SystemExit("no reviews.txt in the data folder: give --corpus FILE")
    return str(found)


class Repeated:
    """The first documents of shards, repeated until there are so many words; what counting reads of shards."""

    def __init__(self, shards: Any, num_tokens: int) -> None:
        times = -(-num_tokens // shards.num_tokens)
        whole = np.asarray(shards.ids)
        self.ids = np.tile(whole, times)
        sentences = np.asarray(shards.sentence_offsets)
        steps = np.arange(times, dtype=np.int64)[:, None]
        self.sentence_offsets = np.append((sentences[:-1] + steps * len(whole)).ravel(), times * len(whole))
        documents = np.asarray(shards.document_offsets)
        shifted = (documents[:-1] + steps * (len(sentences) - 1)).ravel()
        self.document_offsets = np.append(shifted, times * (len(sentences) - 1))
        starts = self.sentence_offsets[self.document_offsets[:-1]]
        self.documents = np.arange(int(np.searchsorted(starts, num_tokens)))
        ends = self.sentence_offsets[self.document_offsets[self.documents + 1]]
        self.num_tokens, self.vocab_size = int(ends[-1]), shards.vocab_size


def counting(shards: Any, memory: str, folder: Path) -> tuple[float, float, int, int]:
    """Seconds of counting and of shuffling and writing, words and entries."""
    from munmaek.core.sizes import parse_bytes
    from munmaek.systems.glove.cooccurrence import Counter, Counting, Limits

    marks = {"start": time.perf_counter()}

    def tell(what: str, share: float) -> None:
        marks.setdefault(what, time.perf_counter())

    limits = Limits.of(parse_bytes(memory, "--memory"))
    work = Counter(shards, Counting(window=WINDOW), (0, 1, 2, 3, 4), limits, folder, tell)
    entries = work.write(folder / "entries.bin")
    shuffled = marks["shuffling co-occurrences"]
    return shuffled - marks["start"], time.perf_counter() - shuffled, work.num_tokens, entries


def training(shards: Any, tokenizer: Any, dim: int, passes: int, memory: str) -> tuple[list[float], list[float], int]:
    """Seconds and cost of each pass over the entries, and how many entries there are."""
    import torch

    from munmaek import systems
    from munmaek.core.runtime import tune_process

    tune_process()  # as the trainer does
    card = systems.load("glove")
    config = card.config(tokenizer.vocab_size, dim=dim, x_max=X_MAX)
    torch.manual_seed(0)
    model = card.build(config)
    objective: Any = card.objective(config, tokenizer, 512, {"window": WINDOW, "memory": memory})
    recipe = card.recipes["mini"]
    num = objective.epoch_batches(shards, seed=0, epoch=0, batch_tokens=recipe.batch_tokens)
    batches = objective.batches(shards, seed=0, batch_tokens=recipe.batch_tokens)
    entries = len(objective.look_at(shards).entries)
    objective.update(model, next(batches), 0.0, 0)  # compiled, and the file read
    batches = objective.batches(shards, seed=0, batch_tokens=recipe.batch_tokens)
    seconds: list[float] = []
    costs: list[float] = []
    for _ in range(passes):
        start, cost = time.perf_counter(), 0.0
        for batch in islice(batches, num):
            cost += float(objective.update(model, batch, recipe.learning_rate, 0).sums["glove"])
        seconds.append(time.perf_counter() - start)
        costs.append(cost / entries)
    return seconds, costs, entries


def write_lines(shards: Any, tokenizer: Any, path: Path) -> None:
    """The words of the shards, a sentence a line, those outside the vocabulary left out."""
    names = {number: word for word, number in tokenizer.vocab().items() if not word.startswith("[")}
    ids, offsets = np.asarray(shards.ids).tolist(), np.asarray(shards.sentence_offsets).tolist()
    with path.open("w", encoding="utf-8") as file:
        for start, end in pairwise(offsets):
            file.write(" ".join(names[word] for word in ids[start:end] if word in names) + "\n")


def peer(programs: Path, lines: Path, folder: Path, dim: int, passes: int, threads: int) -> None:
    """Run Stanford's four programs and print what they took."""
    vocabulary, counts, shuffled = (folder / name for name in ("vocab.txt", "counts.bin", "shuffled.bin"))

    def run(name: str, *words: object, source: Path | None = None, target: Path | None = None) -> tuple[float, str]:
        start = time.perf_counter()
        with (source or Path(os.devnull)).open("rb") as given, (target or folder / "out").open("wb") as out:
            command = [str(programs / name), *map(str, words)]
            done = subprocess.run(command, stdin=given, stdout=out, stderr=subprocess.PIPE, check=True)
        return time.perf_counter() - start, done.stderr.decode("utf-8", "replace")

    run("vocab_count", "-min-count", MIN_COUNT, "-verbose", 0, source=lines, target=vocabulary)
    options = ("-symmetric", 1, "-window-size", WINDOW, "-vocab-file", vocabulary, "-memory", 4, "-verbose", 0)
    options += ("-overflow-file", folder / "overflow")
    took, _ = run("cooccur", *options, source=lines, target=counts)
    entries = counts.stat().st_size // 16
    print(f"  peer  counting {took:.1f} s, {entries:,} entries")
    options = ("-memory", 4, "-verbose", 0, "-temp-file", folder / "shuffle")
    took, _ = run("shuffle", *options, source=counts, target=shuffled)
    print(f"  peer  shuffling {took:.1f} s")
    took, said = run("glove", "-input-file", shuffled, "-vocab-file", vocabulary, "-save-file", folder / "vectors",
                     "-threads", threads, "-x-max", X_MAX, "-iter", passes, "-vector-size", dim, "-binary", 0,
                     "-verbose", 2)  # fmt: skip
    costs = re.findall(r"cost: ([\d.]+)", said)
    print(f"  peer  training {passes * entries / took / 1e6:.2f} M entries/s (reading and writing included), "
          f"cost {', '.join(costs)}")  # fmt: skip


def main() -> None:
    """Count, train, compare, and see how counting grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", help="text, one review a line; by default NSMC's reviews")
    parser.add_argument("--peer", type=Path, help="folder of Stanford's programs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--most", type=float, default=16, help="million words of the largest corpus counted")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)

    from munmaek.data.tokenizers import train_tokenizer
    from munmaek.run.prepare import open_corpus, prepare

    corpus = given.corpus or reviews()
    tokenizer = train_tokenizer(open_corpus(corpus), "eojeol", 10_000_000, min_count=MIN_COUNT)
    shards = prepare(corpus, tokenizer=tokenizer).shards
    print(f"{shards.num_tokens:,} tokens, {tokenizer.vocab_size:,} words, {given.threads} threads, dim {given.dim}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = [counting(shards, given.memory, folder) for _ in range(1 + ROUNDS)][1:]  # the first one compiles
        (seconds, rest), (num_tokens, entries) = np.median([f[:2] for f in found], axis=0), found[0][2:]
        print(f"  ours  counting {seconds:.2f} s: {num_tokens / seconds / 1e6:.2f} M words/s, {entries:,} entries")
        print(f"  ours  shuffling {rest:.2f} s")
        times, costs, _ = training(shards, tokenizer, given.dim, given.passes, given.memory)
        speed = entries / statistics.median(times) / 1e6
        print(f"  ours  training {speed:.2f} M entries/s, cost {', '.join(f'{cost:.4f}' for cost in costs)}")
        if given.peer:
            write_lines(shards, tokenizer, folder / "lines.txt")
            peer(given.peer, folder / "lines.txt", folder, given.dim, given.passes, given.threads)
        millions = 1.0
        while millions <= given.most:
            part = Repeated(shards, int(millions * 1e6))
            took = [counting(part, given.memory, folder)[0] for _ in range(3)]
            each = statistics.median(took) / part.num_tokens * 1e6
            print(f"  {part.num_tokens / 1e6:5.1f} M tokens: {each:.3f} s a million")
            millions *= 2


if __name__ == "__main__":
    sys.exit(main())
