"""kenlm reads the ARPA files written here and gives every text the same likelihood (kenlm 0.3.0 from PyPI)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from munmaek.data.homographs import HomographCorpus
from munmaek.run.folder import read
from munmaek.run.pretrain import pretrain

kenlm = pytest.importorskip("kenlm")
NAMES = {"[UNK]": "<unk>"}
TEXTS = [
    "눈이 와서 너무 좋다",
    "너의 눈이 너무 예쁘다",
    "배가 고파서 배를 먹었다ㅋㅋ ㅠㅠ",
    "뷁 눈이 뷁",
    "",
    "나비 나비 나비",
]


@pytest.mark.parametrize(
    ("kind", "size", "context"),
    [("word", "tiny", "document"), ("word", "mini", "sentence"), ("syllable", "medium", "document"),
     ("wordpiece", "small", "sentence")],
)  # fmt: skip
def test_perplexity_is_kenlms(kind: str, size: str, context: str, tmp_path: Path) -> None:
    pretrain("ngram", corpus=HomographCorpus(seed=3, count=300), out=tmp_path / "run", size=size, tokenizer=kind,
             vocab_size=1200, settings={"context": context})  # fmt: skip
    loaded = read(tmp_path / "run")
    assert loaded.system.language_model is not None
    language = loaded.system.language_model(loaded.module, loaded.tokenizer)
    theirs = kenlm.Model(str(tmp_path / "run" / "model.arpa.gz"))
    assert theirs.order == loaded.module.config.order
    held_out = [" ".join(document) for document in HomographCorpus(seed=4, count=20)]
    for text in [*TEXTS, *held_out]:
        tokens = loaded.tokenizer.encode(text, special=False).tokens
        words = " ".join(NAMES.get(token, token) for token in tokens)
        ours = language.likelihood([text])
        perplexity = 10 ** (-theirs.score(words) / (len(tokens) + 1))
        assert math.exp(ours.nats / ours.num_tokens) == pytest.approx(perplexity, rel=1e-4)
        assert ours.num_unknown == sum(oov for _, _, oov in theirs.full_scores(words))
