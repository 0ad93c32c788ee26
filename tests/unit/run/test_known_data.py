"""Data sets known by name: the right rows, task and columns, and text of their training parts only."""

from __future__ import annotations

from pathlib import Path

import pytest

from munmaek import tasks
from munmaek.core.errors import RequestError
from munmaek.data.corpus import TextCorpus
from munmaek.run import rows
from munmaek.run.known_data import NAMES, general_text, known_data

FILES = {
    "nsmc/reviews.txt": "재밌다\n지루하다\n",
    "nsmc/ratings_train.txt": "id\tdocument\tlabel\n1\t재밌다\t1\n2\t별로\t0\n",
    "nsmc/ratings_test.txt": "id\tdocument\tlabel\n3\t최고\t1\n",
    "kobest/BoolQ/train.tsv": "ID\tText\tQuestion\tAnswer\n1\t눈이 왔다. 길이 얼었다.\t눈이 왔는가?\tTrue\n",
    "kobest/BoolQ/dev.tsv": "ID\tText\tQuestion\tAnswer\n1\t비가 왔다. 길이 젖었다.\t눈이 왔는가?\tFalse\n",
    "kobest/COPA/train.tsv": "ID\tsentence\tquestion\t1\t2\tAnswer\n1\t비가 왔다.\t결과\t젖었다.\t말랐다.\t1\n",
    "kobest/COPA/dev.tsv": "ID\tsentence\tquestion\t1\t2\tAnswer\n1\t눈이 왔다.\t결과\t녹았다.\t쌓였다.\t2\n",
    "kobest/SentiNeg/train.tsv": "ID\tLabel\tText\n1\t1\t만족합니다\n2\t0\t싫습니다\n",
    "kobest/SentiNeg/dev.tsv": "ID\tLabel\tText\n1\t0\t만족 못 합니다\n",
    "korsts/sts-train.tsv": "score\tsentence1\tsentence2\n5.000\t새가 난다.\t새가 날고 있다.\n",
    "korsts/sts-dev.tsv": "score\tsentence1\tsentence2\n0.000\t개가 잔다.\t차가 달린다.\n",
    "klue-nli/train.jsonl": '{"premise": "비가 왔다.", "hypothesis": "젖었다.", "gold_label": "entailment"}\n',
    "klue-nli/dev.jsonl": '{"premise": "비가 왔다.", "hypothesis": "맑았다.", "gold_label": "contradiction"}\n',
    "kobest/WiC/train.tsv": "ID\tTarget\tSENTENCE1\tSENTENCE2\tANSWER\n1\t눈\t[눈]이 왔다\t[눈]이 크다\tFalse\n",
    "kobest/WiC/dev.tsv": "ID\tTarget\tSENTENCE1\tSENTENCE2\tANSWER\n1\t배\t[배]를 탔다\t[배]가 떴다\tTrue\n",
    "klue-ner/klue-ner-v1.1_train.tsv": "## 1\t<싸이:PS>\n싸\tB-PS\n이\tI-PS\n",
    "klue-ner/klue-ner-v1.1_dev.tsv": "## 2\t<싸이:PS>\n싸\tB-PS\n이\tI-PS\n",
    "chatbot/ChatbotData.csv": "Q,A,label\n배고파,밥 드세요,0\n",
}
LABELS = {
    "nsmc": ["1", "0"], "sentineg": ["1", "0"], "boolq": ["True"], "copa": ["1"], "korsts": ["5.000"],
    "klue-nli": ["entailment"], "wic": ["false"], "klue-ner": ['[[0, 2, "PS"]]'],
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("MUNMAEK_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("name", [name for name in NAMES if name != "built-in"])
def test_rows_and_labels_are_read_as_the_task_has_them(name: str, home: Path) -> None:
    known = known_data(name, home / "out")
    task = tasks.load(known.task)
    train = rows.examples(task, known.train, known.columns, training=True)
    assert train.labels == LABELS[name]
    assert known.test is not None
    assert len(rows.examples(task, known.test, known.columns, training=False)) == 1


def test_the_general_text_has_every_kind_and_no_row_to_score_on(home: Path) -> None:
    documents = list(TextCorpus([general_text(home / "general.txt")]))
    assert documents == [
        ["눈이 왔다.", "길이 얼었다."], ["새가 난다."], ["새가 날고 있다."], ["배고파", "밥 드세요"],
        ["재밌다"], ["지루하다"],
    ]  # fmt: skip


def test_where_nothing_is_trained_no_text_is_looked_for(home: Path) -> None:
    (home / "data" / "chatbot" / "ChatbotData.csv").unlink()
    known = known_data("korsts", home / "out", text=False)
    assert known.corpus is None
    assert (known.train.name, known.task) == ("sts-train.tsv", "regress")
    with pytest.raises(RequestError, match=r"ChatbotData\.csv is not there"):
        known_data("korsts", home / "out")


def test_a_missing_file_is_named_with_what_fetches_it(home: Path) -> None:
    (home / "data" / "korsts" / "sts-dev.tsv").unlink()
    with pytest.raises(RequestError, match=r"sts-dev\.tsv is not there") as caught:
        known_data("korsts", home / "out")
    assert "munmaek fetch korsts" in str(caught.value)
    with pytest.raises(RequestError, match="no data set 'kosts'"):
        known_data("kosts", home / "out")


def test_the_built_in_rows_are_classes(tmp_path: Path) -> None:
    found = known_data("built-in", tmp_path)
    assert found.task == "classify"
    assert found.corpus is not None
    assert len(found.train.read_text("utf-8").splitlines()) == 4_001
