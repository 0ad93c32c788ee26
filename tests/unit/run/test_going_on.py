"""Going on from a model: on another text its softmax starts at the frequencies there, on the same one as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from munmaek.run.model import load
from munmaek.run.pretrain import pretrain

FIRST = [["배우 연기 정말 좋다", "음악 정말 좋다"], ["결말 너무 싫다", "화면 너무 싫다"]] * 20
OTHER = [["김치 국물 정말 좋다", "김치 국물 너무 싫다"], ["배우 김치", "김치 음악"]] * 20
BIAS = {"bert": "word_bias", "elmo": "softmax_bias", "ulmfit": "word_bias"}
STILL = {"learning_rate": 1e-12, "muon_rate": 1e-12, "batch_tokens": 256, "max_length": 32}


@pytest.mark.parametrize("system", BIAS)
def test_only_another_text_moves_the_softmax_to_its_frequencies(system: str, tmp_path: Path) -> None:
    def trained(name: str, corpus: list[list[str]], init: Path | None = None) -> dict[str, torch.Tensor]:
        pretrain(system, corpus=corpus, out=tmp_path / name, size="tiny", budget="2 steps", init=init, device="cpu",
                 tokenizer=tmp_path / "both" if name != "both" else None, min_count=1,
                 settings=STILL)  # fmt: skip
        return {key: value.detach() for key, value in load(tmp_path / name).module.named_parameters()}

    trained("both", FIRST + OTHER)  # a vocabulary with the words of either
    first = trained("first", FIRST)
    words = load(tmp_path / "first").tokenizer
    common = words.encode_batch(["김치"])[0].ids[-2]
    for name, corpus, moved in (("same", FIRST, set[str]()), ("other", OTHER, {BIAS[system]})):
        on = trained(name, corpus, init=tmp_path / "first")
        far = {key for key, value in on.items() if not torch.allclose(value, first[key], atol=1e-6)}
        assert {key.split(".")[-1] for key in far} == moved, name
    key = far.pop()
    assert on[key][common] == on[key].max() > first[key][common] == first[key].min()
