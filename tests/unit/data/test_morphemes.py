import pytest

from munmaek.core.errors import RequestError
from munmaek.data import morphemes
from munmaek.data.kinds import BORDER


def test_borders_stand_inside_words_and_nothing_else_changes() -> None:
    pytest.importorskip("kiwipiepy")
    texts = ["눈이 와서 너무 좋다", "", "ㅋㅋ 영화를 봤어요!", "a b", "이해하려", "😀 봤어요😀"]
    cut = morphemes.cut_morphemes(texts)
    assert [text.replace(BORDER, "") for text in cut] == texts
    assert cut[0].startswith(f"눈{BORDER}이 ")
    for text in cut:
        assert f" {BORDER}" not in text
        assert f"{BORDER} " not in text
        assert not text.startswith(BORDER)


def test_what_is_remembered_is_cut_the_same_without_the_analyser(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kiwipiepy")
    texts = ["눈이 와서 너무 좋다", "", "영화를 봤어요!", "눈이 와서 너무 좋다"]
    expected = morphemes.cut_morphemes(texts)
    with morphemes.remembered():
        assert morphemes.cut_morphemes(texts[:2]) == expected[:2]
        assert morphemes.cut_morphemes(texts) == expected
        with monkeypatch.context() as patch:
            patch.setattr(morphemes, "_analysed", lambda texts: [pytest.fail(text) for text in texts])
            with morphemes.remembered():
                assert morphemes.cut_morphemes(texts[:0]) == []
            assert morphemes.cut_morphemes(texts[::-1]) == expected[::-1]
    assert morphemes._memory.get() is None


def test_without_the_analyser_it_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    morphemes._analyser.cache_clear()
    monkeypatch.setattr(morphemes, "import_module", missing)
    with pytest.raises(RequestError, match=r"kiwipiepy.*pip install"):
        morphemes.cut_morphemes(["눈이"])
