from __future__ import annotations

from pathlib import Path

import pytest

from munmaek.run.evaluate import evaluate
from munmaek.run.finetune import finetune
from munmaek.run.predict import predict
from munmaek.run.pretrain import pretrain

TEXTS = ["눈이 와서 너무 좋다", "배를 타고 섬에 갔다", "말이 들판을 달린다", "밤을 구워 먹었다"]


def test_a_similarity_that_was_fine_tuned_and_read_back_has_no_order(tmp_path: Path) -> None:
    """Radford 2018 §3.3, through the files: GPT reads a pair in both orders, in training and when asked."""
    pretrain("gpt", corpus=[[text] for text in TEXTS * 6], out=tmp_path / "gpt", size="tiny", budget="2 steps",
             vocab_size=100, settings={"batch_tokens": 256, "max_length": 48})  # fmt: skip
    pairs = [(one, other) for one in TEXTS for other in TEXTS]
    rows = [f"{one}\t{other}\t{5.0 if one == other else 0.5}" for one, other in pairs]
    (tmp_path / "rows.tsv").write_text("sentence1\tsentence2\tscore\n" + "\n".join(rows) + "\n", "utf-8")
    finetune("regress", model=tmp_path / "gpt", train=tmp_path / "rows.tsv", out=tmp_path / "tuned", epochs=2)
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    straight, turned = predict(tmp_path / "tuned", first, second), predict(tmp_path / "tuned", second, first)
    for one, other in zip(straight, turned, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-4)
    assert len({round(answer.value or 0.0, 3) for answer in straight}) > 4
    assert evaluate(tmp_path / "tuned", tmp_path / "rows.tsv").num_rows == len(pairs)
