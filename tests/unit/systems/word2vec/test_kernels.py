"""The kernel is its plain twin: the same words, the same random numbers, the same vectors and the same loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain import Plain

from munmaek.systems.word2vec import kernels, subwords, tables

SIZE, DIM = 40, 20
ROW = 32
NO_GRAMS = np.zeros(1, np.int64), np.zeros(0, np.int64)


def both(sentences, *, seed=3, cbow=False, tree=False, grams=NO_GRAMS, window=4, negatives=5, rate=0.3, subsample=0.1,
         scale=0.25):  # fmt: skip
    """Both after the same sentences: inputs, outputs, (loss, targets, kept) of the kernel and of the twin."""
    ids = np.array([w for s in sentences for w in s], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in sentences])]).astype(np.int64)
    counts = np.bincount(np.concatenate([ids, np.arange(2, SIZE)]), minlength=SIZE)
    counts[:2] = 0  # special tokens
    rng = np.random.default_rng(seed)
    rows = SIZE if len(grams[0]) == 1 else SIZE + 50
    inputs, outputs = (np.zeros((n, ROW), np.float32) for n in (rows, SIZE))
    inputs[:, :DIM], outputs[:, :DIM] = rng.normal(size=(rows, DIM)) * scale, rng.normal(size=(SIZE, DIM)) * scale
    keep, alias = tables.keep_table(counts, subsample), tables.alias_table(counts, 0.75)
    paths = tables.huffman_paths(counts) if tree else tables.NO_PATHS
    twin = Plain(inputs.astype(float), outputs.astype(float), keep, alias, paths, grams, window, negatives, cbow,
                 rate, tree)  # fmt: skip
    samples = np.arange(len(sentences)) * 7
    twin.learn(sentences, samples.tolist(), seed)
    found = kernels.learn(ids, offsets, samples, np.uint64(seed), keep, inputs, outputs, alias, paths, grams, window,
                          negatives, cbow, np.float32(rate))  # fmt: skip
    return (inputs, outputs, found), (twin.inputs, twin.outputs, (twin.loss, twin.targets, twin.kept))


def agree(fast, slow) -> None:
    np.testing.assert_allclose(fast[0], slow[0], atol=3e-5)
    np.testing.assert_allclose(fast[1], slow[1], atol=3e-5)
    assert fast[2][1:] == slow[2][1:]
    assert fast[2][0] == pytest.approx(slow[2][0], rel=1e-5, abs=1e-6)


GRAMS = subwords.entries_of([f"낱말{n}" for n in range(SIZE)], "characters", 2, 3, 50)
REAL_RATE = 0.025
"""The recipe's. At ten times that rate float32 and float64 part by themselves: steps enlarge earlier rounding."""
texts = st.lists(st.lists(st.integers(0, SIZE - 1), max_size=25), min_size=1, max_size=4)


@pytest.mark.parametrize("grams", [NO_GRAMS, GRAMS], ids=["words", "subwords"])
@pytest.mark.parametrize("tree", [False, True], ids=["negative", "hierarchical"])
@pytest.mark.parametrize("cbow", [False, True], ids=["skip-gram", "cbow"])
@given(texts, st.integers(0, 2**40), st.integers(1, 7), st.integers(1, 14))
@settings(max_examples=15, deadline=None)
def test_the_kernel_is_its_twin(cbow, tree, grams, sentences, seed, window, negatives) -> None:
    found = both(
        sentences, seed=seed, cbow=cbow, tree=tree, grams=grams, window=window, negatives=negatives, rate=REAL_RATE
    )
    agree(*found)


def test_a_word_that_surrounds_itself_moves_for_every_meeting() -> None:
    agree(*both([[5, 6, 5, 5, 6, 5, 7, 7, 7, 7]] * 3, subsample=0.0))


def test_rate_zero_measures_and_moves_nothing() -> None:
    (inputs, outputs, found), _ = both([[5, 6, 7, 8]], rate=0.0, subsample=0.0)
    (again, _, _), _ = both([[9]], rate=0.5, subsample=0.0)  # one word meets nothing
    assert np.array_equal(inputs, again)
    assert found[0] > 0
    assert found[2] == 4
    assert np.array_equal(outputs[:, DIM:], np.zeros((SIZE, ROW - DIM)))


def test_a_loss_far_from_zero_is_still_right() -> None:
    """exp(-|x|) and the product of factors hold where sigmoids are 0 and 1."""
    for scale in (1.0, 3.0, 30.0):
        fast, slow = both([[5, 6, 7, 8, 9, 10] * 10] * 2, rate=0.0, subsample=0.0, scale=scale)
        assert fast[2][0] == pytest.approx(slow[2][0], rel=1e-5)
        assert fast[2][0] / fast[2][1] > scale


def test_pairs_are_what_the_kernel_meets() -> None:
    counts = np.arange(SIZE) + 1
    keep, alias = tables.keep_table(counts, 0.05), tables.alias_table(counts, 0.75)
    rng = np.random.default_rng(0)
    ids, offsets, samples = rng.integers(0, SIZE, 60).astype(np.int32), np.array([0, 20, 21, 60]), np.arange(3)
    zero = np.zeros((SIZE, ROW), np.float32)
    for cbow in (False, True):
        left, right, labels = kernels.pairs(
            ids, offsets, samples, np.uint64(5), keep, alias, tables.NO_PATHS, 3, 4, cbow
        )
        loss, targets, _ = kernels.learn(ids, offsets, samples, np.uint64(5), keep, zero, zero.copy(), alias,
                                         tables.NO_PATHS, NO_GRAMS, 3, 4, cbow, np.float32(0))  # fmt: skip
        assert len(left) == len(right) == targets
        assert left.shape[1] == (6 if cbow else 1)
        assert loss == pytest.approx(np.log(2) * np.sum(right >= 0), rel=1e-6)
        assert np.array_equal(labels[:, 0], np.ones(targets))
        assert labels[:, 1:].sum() == 0
        assert all(len(set(row[row >= 0].tolist())) == np.sum(row >= 0) for row in right)
