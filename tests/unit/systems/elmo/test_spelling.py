"""Word vectors learnt by their spelling: what is taken off them first, and how long it takes."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch

from munmaek.systems.elmo import spelling
from munmaek.systems.elmo.spelling import spell, without_the_common


def test_what_all_words_share_is_taken_off_their_vectors() -> None:
    drawn = np.random.default_rng(0)
    own, common, strong = (drawn.standard_normal((n, 200)).astype(np.float32) for n in (500, 1, 2))
    shares, counts = drawn.standard_normal((500, 2)).astype(np.float32) * [9, 5], drawn.integers(1, 90, 500)
    vectors = torch.from_numpy((own + 5 * common + shares @ strong).astype(np.float32))
    found = without_the_common(vectors, counts).numpy()
    assert np.abs(counts @ found / counts.sum()).max() < 1e-4, "no mean over tokens is left"
    share = (counts / counts.sum())[:, None]
    # the plain twin: numpy's singular vectors of the centred words, each weighing as much as it has tokens
    centred = vectors.numpy() - (share * vectors.numpy()).sum(0)
    top = np.linalg.svd(np.sqrt(share) * centred, full_matrices=False)[2][:2]
    np.testing.assert_allclose(found, centred - centred @ top.T @ top, atol=1e-3)
    assert (np.abs(found @ strong.T).max(0) < 0.2 * np.abs(centred @ strong.T).max(0)).all()
    narrow = torch.from_numpy(own[:, :40])
    even = np.ones(500, np.int64)
    torch.testing.assert_close(without_the_common(narrow, even), narrow - narrow.mean(0), atol=1e-5, rtol=0)


def test_the_first_step_takes_none_of_the_time(build, words, monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = build(), np.arange(5, words.vocab_size)
    vectors = torch.randn(len(ids), model.config.dim, generator=torch.Generator().manual_seed(0))
    clock = count(0, 10)
    monkeypatch.setattr(spelling.time, "monotonic", lambda: next(clock))
    told: list[float] = []
    before = model.elmo.words.projection.weight.detach().clone()
    spell(model, words, ids, vectors, np.ones(words.vocab_size, np.int64), 25.0, lambda _, share: told.append(share))
    assert told == [0.4, 0.8, 1.0]
    assert not torch.equal(model.elmo.words.projection.weight, before)
