"""The plain twin of `kernels.learn`: Python and NumPy in float64, one step after the other, the same random numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BITS = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(state: int) -> int:
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & BITS
    return state ^ (state >> 31)


@dataclass
class Plain:
    """What the kernel is told, and the vectors, which `learn` changes."""

    inputs: np.ndarray
    outputs: np.ndarray
    keep: np.ndarray
    alias: np.ndarray
    paths: tuple
    grams: tuple
    window: int
    negatives: int
    cbow: bool
    rate: float
    tree: bool = False
    state: int = 0
    loss: float = 0.0
    targets: int = 0
    kept: int = 0

    def bits(self) -> int:
        self.state = (self.state + GOLDEN) & BITS
        return mixed(self.state)

    def learn(self, sentences: list[list[int]], samples: list[int], seed: int) -> None:
        for ids, sample in zip(sentences, samples, strict=True):
            self.state = mixed((seed + GOLDEN * (sample + 1)) & BITS)
            words = [w for w in ids if self._stays(w)]
            drawn = [self._draw(w) for w in words]
            self.kept += len(words)
            if len(self.grams[0]) > 1:
                self._with_subwords(words, drawn)
            else:
                self._sentence(words, drawn, self.inputs, words)

    def _stays(self, word: int) -> bool:
        upper = self.bits() >> 32
        return bool(self.keep[word]) and upper <= int(self.keep[word])

    def _draw(self, word: int) -> tuple[int, list[int]]:
        reach = 1 + (((self.bits() >> 32) * self.window) >> 32)
        found: list[int] = []
        for _ in range(0 if self.tree else self.negatives):
            for _ in range(10):
                bits = self.bits()
                column = ((bits >> 32) * len(self.alias)) >> 32
                other = column if (bits & 0xFFFFFFFF) < self.alias[column, 0] else int(self.alias[column, 1])
                if other != word and other not in found:
                    found.append(other)
                    break
        return reach, found

    def _with_subwords(self, words: list[int], drawn: list) -> None:
        offsets, rows = self.grams
        parts = [rows[offsets[w] : offsets[w + 1]] for w in words]
        before = np.array([self.inputs[part].mean(0) for part in parts]).reshape(len(words), self.inputs.shape[1])
        after = before.copy()
        self._sentence(words, drawn, after, range(len(words)))
        for part, moved in zip(parts, after - before, strict=True):
            np.add.at(self.inputs, part, moved)

    def _sentence(self, words: list[int], drawn: list, matrix: np.ndarray, rows) -> None:
        for place, (word, (reach, negatives)) in enumerate(zip(words, drawn, strict=True)):
            near = [rows[o] for o in range(max(0, place - reach), min(len(words), place + reach + 1)) if o != place]
            if not near:
                continue
            if self.tree:
                offsets, nodes, turns = self.paths
                way = slice(offsets[word], offsets[word + 1])
                right, labels = nodes[way].tolist(), [float(turn == 0) for turn in turns[way]]
            else:
                right, labels = [word, *negatives], [1.0] + [0.0] * len(negatives)
            if self.cbow:
                hidden = matrix[near].mean(0, keepdims=True)
                before = hidden.copy()
                self._meet(hidden, [0], right, labels)
                np.add.at(matrix, near, hidden[0] - before[0])
                self.targets += 1
            else:
                self._meet(matrix, near, right, labels)
                self.targets += len(near)

    def _meet(self, matrix: np.ndarray, left: list[int], right: list[int], labels: list[float]) -> None:
        while left:
            size = next((n for n in range(1, min(4, len(left))) if left[n] in left[:n]), min(4, len(left)))
            tile, left = left[:size], left[size:]
            for first in range(0, len(right), 6):
                far, label = right[first : first + 6], np.array(labels[first : first + 6])
                one, other = matrix[tile], self.outputs[far]
                logits = one @ other.T
                self.loss += float(np.sum(np.logaddexp(0, logits) - label * logits))
                steps = self.rate * (label - np.exp(-np.logaddexp(0, -logits)))
                matrix[tile] = one + steps @ other
                self.outputs[far] = other + steps.T @ one
