"""Skip-gram with negative sampling on the reviews: ours beside gensim's corpus_file mode, in one run on one machine.

    python benchmarks/word2vec.py --corpus reviews.txt --nsmc DIR

Both arms train on the same words (one tokenizer, its unknown words left out), so on the same vocabulary, with the same
window, negatives, subsampling, starting rate, epochs and threads. Every arm is a process of its own, in turn. Timed is
the training alone, vocabulary and compilation left out. Printed are medians of raw words a second, before subsampling;
the accuracy on NSMC's test reviews of a logistic regression over the mean of a review's vectors; how many of a word's
ten nearest neighbours both arms, or two runs of gensim, have in common; and the peak of memory that the training added
to the process, beside what the vectors and the vocabulary need.

    python benchmarks/word2vec.py --corpus english.txt --tokenizer word --questions wordsim353.tsv questions-words.txt

The same on a text of another language, its words cut at white space and punctuation; the quality is that of files of
word pairs (Spearman's correlation with people's judgements, x 100) and of analogies (3CosAdd, %).

    python benchmarks/word2vec.py --corpus reviews.txt --scaling

Ours alone, on one thread and on --threads in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

WINDOW, NEGATIVES, SUBSAMPLE, RATE = 5, 5, 1e-3, 0.025
NEIGHBOURS, ASKED = 10, 1_000


class Memory:
    """The peak of the process's own memory (RssAnon, Linux) while it is watched, above what it was at the start."""

    def __enter__(self) -> Memory:
        self.start = self.peak = self.now()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def now(self) -> int:
        found = [line for line in Path("/proc/self/status").read_text().split("\n") if line.startswith("RssAnon")]
        return int(found[0].split()[1]) * 1024

    def watch(self) -> None:
        while not self.stop.wait(0.05):
            self.peak = max(self.peak, self.now())

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        self.peak = max(self.peak, self.now())


def prepared(args: argparse.Namespace) -> Any:
    """The corpus as a tokenizer and shards."""
    from munmaek.run.prepare import prepare

    return prepare(args.corpus, tokenizer=args.tokenizer, vocab_size=200_000)


def ours(args: argparse.Namespace) -> dict[str, float]:
    """Our trainer with the system's recipe."""
    import numpy as np
    import torch

    from munmaek import systems
    from munmaek.core.recipe import Budget
    from munmaek.train.trainer import Job, train

    ready = prepared(args)
    card = systems.load("word2vec")
    options = {"window": WINDOW, "negatives": NEGATIVES, "subsample": SUBSAMPLE}
    torch.manual_seed(args.seed)
    config = card.config(vocab_size=ready.tokenizer.vocab_size, dim=args.dim)
    warm = card.build(card.config(vocab_size=ready.tokenizer.vocab_size, dim=16))
    objective = card.objective(config, ready.tokenizer, 1_000, options)
    first = next(objective.batches(ready.shards, seed=0, batch_tokens=1_000))
    objective.update(warm, first, 0.0, 0)  # compiles, or loads what was compiled
    del warm, first, objective
    words = ready.shards.num_tokens - ready.shards.manifest["num_unknown"]
    recipe = card.recipes["mini"]
    with Memory() as memory:
        model = card.build(config)
        objective = card.objective(config, ready.tokenizer, recipe.max_length, options)
        began = time.perf_counter()
        outcome = train(
            Job(model, objective, ready.shards, recipe, Budget(epochs=args.epochs), args.seed, device="cpu")
        )
        seconds = time.perf_counter() - began
    np.save(args.out, model.inputs.detach().numpy()[:, : args.dim])
    return {"words": words * args.epochs / seconds, "memory": memory.peak - memory.start, "loss": outcome.loss}


def gensim(args: argparse.Namespace) -> dict[str, float]:
    """gensim's Word2Vec over a file, the mode in which its threads need no interpreter."""
    import numpy as np
    from gensim.models import Word2Vec

    with Memory() as memory:
        model = Word2Vec(
            vector_size=args.dim, window=WINDOW, sg=1, hs=0, negative=NEGATIVES, sample=SUBSAMPLE, alpha=RATE,
            min_alpha=RATE * 1e-4, min_count=1, workers=args.threads, seed=args.seed + 1, epochs=args.epochs,
        )  # fmt: skip
        model.build_vocab(corpus_file=args.text)
        began = time.perf_counter()
        model.train(corpus_file=args.text, total_examples=model.corpus_count, epochs=args.epochs,
                    total_words=model.corpus_total_words)  # fmt: skip
        seconds = time.perf_counter() - began
    size = prepared(args).tokenizer.vocab_size
    vectors = np.zeros((size, args.dim), np.float32)
    vectors[[int(word) for word in model.wv.index_to_key]] = model.wv.vectors
    np.save(args.out, vectors)
    return {"words": model.corpus_total_words * args.epochs / seconds, "memory": memory.peak - memory.start}


def write_text(ready: Any, path: Path) -> None:
    """The prepared corpus as gensim reads it: a sentence a line, each word as its number."""
    import numpy as np

    shards, unknown = ready.shards, ready.tokenizer.token_id("unk")
    borders = np.asarray(shards.sentence_offsets)
    with path.open("w") as file:
        for start, stop in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            print(*(word for word in shards.ids[start:stop].tolist() if word != unknown), file=file)


class Questions:
    """Word pairs and analogies."""

    def __init__(self, tokenizer: Any, files: list[Path]) -> None:
        self.files = files
        special = set(tokenizer.special.values())
        self.words = {word: number for word, number in tokenizer.vocab().items() if number not in special}

    def scores(self, vectors: Any) -> dict[str, float]:
        """Of each file, %."""
        from munmaek.run.intrinsic import ALL, intrinsic
        from munmaek.tasks.intrinsic import Vocabulary

        found = intrinsic(Vocabulary(list(self.words), vectors[list(self.words.values())]), self.files)
        pairs = {score.name: 100 * score.spearman for score in found.pairs}
        return pairs | {score.name: 100 * score.add for score in found.analogies if score.section == ALL}


class Reviews:
    """NSMC's labelled reviews as words, for a classifier."""

    def __init__(self, tokenizer: Any, folder: Path, rows: int | None) -> None:
        from munmaek.data.tables import read_table

        self.parts = {}
        for part in ("train", "test"):
            found = sorted(folder.glob(f"ratings_{part}.txt*"))
            table = read_table(found[0], labels=True)
            texts, labels = table.texts[:rows], (table.labels or [])[:rows]
            self.parts[part] = (*tokenizer.encode_flat(texts), labels)
        self.unknown = tokenizer.token_id("unk")

    def scores(self, vectors: Any) -> dict[str, float]:
        """The accuracy of a logistic regression over the mean of each review's vectors, %."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
        (train, labels), (test, wanted) = (self.features(vectors, part) for part in ("train", "test"))
        return {"NSMC": 100 * float(model.fit(train, labels).score(test, wanted))}

    def features(self, vectors: Any, part: str) -> tuple[Any, list[str]]:
        import numpy as np

        ids, lengths, labels = self.parts[part]
        known = ids != self.unknown
        owner = np.repeat(np.arange(len(lengths)), lengths)[known]
        sums = np.zeros((len(lengths), vectors.shape[1]), np.float32)
        np.add.at(sums, owner, vectors[ids[known]])
        return sums / np.maximum(1, np.bincount(owner, minlength=len(lengths)))[:, None], labels


def neighbours(vectors: Any, asked: Any, known: Any) -> list[set[int]]:
    """The nearest words of each word asked about, by cosine."""
    import numpy as np

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines = unit[asked] @ unit.T
    cosines[:, ~known] = -2
    cosines[np.arange(len(asked)), asked] = -2
    return [set(row.tolist()) for row in np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]]


def overlap(first: Any, second: Any, asked: Any, known: Any) -> float:
    """Of a word's nearest neighbours, the share that two sets of vectors have in common, %."""
    pairs = zip(neighbours(first, asked, known), neighbours(second, asked, known), strict=True)
    return 100 * statistics.mean(len(a & b) / NEIGHBOURS for a, b in pairs)


def arm(
    name: str, dim: int, run: int, text: Path, args: argparse.Namespace, scratch: Path
) -> tuple[dict[str, float], Any]:
    """One training in a process of its own."""
    import numpy as np

    out = scratch / f"{name}-{dim}-{run}.npy"
    command = [sys.executable, __file__, "--arm", name, "--corpus", args.corpus, "--tokenizer", args.tokenizer,
               "--text", text, "--out", out, "--dim", dim, "--seed", run, "--epochs", args.epochs,
               "--threads", args.threads]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
    done = subprocess.run(
        [str(word) for word in command], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.strip().split("\n")[-1]), np.load(out)


def compare(
    dim: int, args: argparse.Namespace, ready: Any, text: Path, quality: Reviews | Questions, scratch: Path
) -> None:
    """All runs of one width, and the lines about them."""
    import numpy as np

    counts = np.bincount(ready.shards.ids, minlength=ready.tokenizer.vocab_size)
    counts[: len(ready.tokenizer.special)] = 0
    asked, known = np.argsort(-counts)[:ASKED], counts > 0
    figures: dict[str, list[dict[str, float]]] = {"ours": [], "gensim": []}
    vectors: dict[str, list[Any]] = {"ours": [], "gensim": []}
    for run in range(args.runs):
        for name in figures:
            found, matrix = arm(name, dim, run, text, args, scratch)
            figures[name].append(found | quality.scores(matrix))
            vectors[name].append(matrix)
            print(f"  {name} {run}: {json.dumps(figures[name][-1])}", flush=True)
    median = {n: {k: statistics.median(f[k] for f in found) for k in found[0] if k != "loss"}
              for n, found in figures.items()}  # fmt: skip
    least = 2 * 4 * dim * int(known.sum()) + sum(len(word.encode()) + 16 for word in ready.tokenizer.vocab())
    print(f"dim {dim}, {args.threads} threads, {args.epochs} epochs, {int(known.sum()):,} words, {args.runs} runs")
    for name, row in median.items():
        scored = ", ".join(f"{k} {v:.2f}" for k, v in row.items() if k not in ("words", "memory"))
        print(f"  {name:8} {row['words']:12,.0f} raw words/s   {scored}   "
              f"{row['memory'] / 2**20:,.0f} MiB, {row['memory'] / least:.2f} of vectors and vocabulary")  # fmt: skip
    print(f"  ratio    {median['ours']['words'] / median['gensim']['words']:.2f}")
    print(f"  neighbours in common: ours and gensim {overlap(*(vectors[n][0] for n in vectors), asked, known):.1f} %")
    for name, found in vectors.items():
        if len(found) > 1:
            print(f"  neighbours in common: two runs of {name} {overlap(found[0], found[1], asked, known):.1f} %")


def scaling(dim: int, args: argparse.Namespace, scratch: Path) -> None:
    """Ours on one thread and on several, in turn."""
    speeds: dict[int, list[float]] = {1: [], args.threads: []}
    for run in range(args.runs):
        for threads, found in speeds.items():
            args.threads = threads
            found.append(arm("ours", dim, run, scratch / "none", args, scratch)[0]["words"])
            print(f"  {threads} threads, {run}: {found[-1]:,.0f} raw words/s", flush=True)
    one, several = (statistics.median(found) for found in speeds.values())
    each = [after / before for before, after in zip(*speeds.values(), strict=True)]
    print(f"dim {dim}: {one:,.0f} and {several:,.0f} raw words/s, ratio {several / one:.2f} "
          f"({min(each):.2f} to {max(each):.2f})")  # fmt: skip


def main() -> None:
    """Read the options, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, help="plain text, a review a line")
    parser.add_argument("--tokenizer", default="morpheme-word", help="kind of tokenizer that makes words")
    parser.add_argument("--nsmc", type=Path, help="folder with ratings_train.txt and ratings_test.txt, packed or not")
    parser.add_argument("--questions", type=Path, nargs="+", help="files of word pairs or analogies, instead of NSMC")
    parser.add_argument("--dims", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--rows", type=int, help="read only so many labelled reviews of each file")
    parser.add_argument("--scratch", type=Path, help="where files lie meanwhile")
    parser.add_argument("--scaling", action="store_true", help="ours alone, on one thread and on --threads")
    for name in ("--arm", "--text", "--out"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--dim", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps({"ours": ours, "gensim": gensim}[args.arm](args)))
        return
    if args.nsmc is None and args.questions is None and not args.scaling:
        parser.error("--nsmc or --questions is needed")
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        if args.scaling:
            for dim in args.dims:
                scaling(dim, args, Path(scratch))
            return
        ready, text = prepared(args), Path(scratch) / "words.txt"
        write_text(ready, text)
        quality = (Questions(ready.tokenizer, args.questions) if args.questions
                   else Reviews(ready.tokenizer, args.nsmc, args.rows))  # fmt: skip
        for dim in args.dims:
            compare(dim, args, ready, text, quality, Path(scratch))


if __name__ == "__main__":
    main()
