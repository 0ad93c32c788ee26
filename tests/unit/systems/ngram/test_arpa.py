from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from test_smoothing import EXAMPLE, SIZE, filled

from munmaek.core.errors import FormatError, RequestError
from munmaek.run.import_model import import_model
from munmaek.run.model import load
from munmaek.systems.ngram import arpa

WORDS = ["[PAD]", "<unk>", "<s>", "</s>", "[MASK]", "가", "나", "다", "\u3000"]
ARPA = """a comment

\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.5\t<unk>
-99\t<s>\t-0.5
-0.9\t</s>
-0.6\t눈이\t-0.3
-0.7\t온다\t-0.2

\\2-grams:
-0.2\t<s> 눈이\t-0.1
-0.1\t눈이 온다
-0.4\t온다 </s>

\\3-grams:
-0.05\t<s> 눈이 온다

\\end\\
"""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    levels = filled([*EXAMPLE, [[8, 1, 5]]], 3).levels()
    arpa.write(tmp_path / "m.arpa.gz", WORDS, levels)
    words, again = arpa.read(tmp_path / "m.arpa.gz")
    assert words[:3] == ["<unk>", "<s>", "</s>"]
    assert set(words) == {*WORDS[:-1], "\\u3000"}
    assert [len(level.keys) for level in again] == [len(level.keys) for level in levels]
    for before, after in zip(levels, again, strict=True):
        np.testing.assert_allclose(np.sort(after.log_probs), np.sort(np.where(before.log_probs < -227, -1e4,
                                   before.log_probs)), rtol=1e-5)  # fmt: skip
    text = gzip.decompress((tmp_path / "m.arpa.gz").read_bytes()).decode("utf-8")
    assert text.startswith(f"\\data\\\nngram 1={SIZE}\n")
    assert text.endswith("\n\\end\\\n")


def test_a_file_comes_in_and_scores_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "a.arpa").write_text(ARPA, "utf-8")
    found = import_model("arpa", tmp_path / "a.arpa", out=tmp_path / "run")
    assert (found.system, found.vocab_size) == ("ngram", 7)
    model = load(tmp_path / "run")
    assert model.system.language_model is not None
    language = model.system.language_model(model.module, model.tokenizer)
    ten = np.log(10)
    assert language.likelihood(["눈이 온다"]).nats == pytest.approx(ten * (0.2 + 0.05 + 0.4), rel=1e-5)
    # after "<s> 눈이" no end is known, nor after "눈이": both weights and the single word
    assert language.likelihood(["눈이"]).nats == pytest.approx(ten * (0.2 + 0.1 + 0.3 + 0.9), rel=1e-5)
    # 비 is unknown: <s> leaves 0.5; unknown has no weight
    assert language.likelihood(["비"]).nats == pytest.approx(ten * (0.5 + 1.5 + 0.9), rel=1e-5)
    again = import_model("arpa", tmp_path / "run" / "model.arpa.gz", out=tmp_path / "again")
    other = load(again.folder)
    for one, two in zip(model.module.levels(), other.module.levels(), strict=True):
        np.testing.assert_allclose(np.sort(one.log_probs), np.sort(two.log_probs)[-len(one.log_probs) :], rtol=1e-5)
    assert other.system.language_model is not None
    twin = other.system.language_model(other.module, other.tokenizer)
    for text in ("눈이 온다", "온다 눈이", "비", ""):
        assert twin.likelihood([text]).nats == pytest.approx(language.likelihood([text]).nats, rel=1e-5)


DAMAGES = {
    "cut": (ARPA[: len(ARPA) // 2], "ends before|expected log10|no number"),
    "no end": (ARPA.replace("\\end\\", ""), "ends before"),
    "too many said": (ARPA.replace("ngram 2=3", "ngram 2=999999999999"), "cannot hold"),
    "too few said": (ARPA.replace("ngram 2=3", "ngram 2=2"), "expected .3-grams"),
    "a length is left out": (ARPA.replace("ngram 2=3\n", ""), "counted from 1"),
    "a word too many": (ARPA.replace("눈이 온다\n-0.4", "눈이 온다 비 비\n-0.4"), "2 words"),
    "no number": (ARPA.replace("-0.7\t", "seven\t"), "no number"),
    "a probability over 1": (ARPA.replace("-0.7\t", "0.7\t"), "log10 p is 0.7"),
    "nan": (ARPA.replace("-0.7\t", "nan\t"), "log10 p is nan"),
    "an unknown word": (ARPA.replace("-0.1\t눈이 온다", "-0.1\t비가 온다"), "비가.* single"),
    "twice": (ARPA.replace("-0.7\t온다\t-0.2", "-0.7\t눈이\t-0.2"), "twice"),
    "a pair twice": (ARPA.replace("-0.4\t온다 </s>", "-0.4\t눈이 온다"), "twice"),
    "no suffix": (ARPA.replace("<s> 눈이 온다", "<s> 온다 온다"), "last 2 words are not"),
    "a long line": (ARPA.replace("-0.7\t", "-0.7\t" + "가" * 30_000), "longer"),
    "empty": ("", "ends before"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_with_its_line(tmp_path: Path, damage: str) -> None:
    text, complaint = DAMAGES[damage]
    assert text != ARPA
    (tmp_path / "a.arpa").write_text(text, "utf-8")
    with pytest.raises(FormatError, match=complaint) as caught:
        arpa.read(tmp_path / "a.arpa")
    assert "a.arpa:" in str(caught.value)


def test_other_damage(tmp_path: Path) -> None:
    (tmp_path / "a.arpa").write_bytes(ARPA.encode().replace("온다".encode(), b"\xff\xfe"))
    with pytest.raises(FormatError, match="not UTF-8"):
        arpa.read(tmp_path / "a.arpa")
    packed = gzip.compress(ARPA.encode())
    (tmp_path / "a.gz").write_bytes(packed[:-12])
    with pytest.raises(FormatError, match="cut short or damaged"):
        arpa.read(tmp_path / "a.gz")
    with pytest.raises(RequestError, match="no such file"):
        arpa.read(tmp_path / "none.arpa")
