from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import munmaek
from munmaek.core.contracts import Likelihood
from munmaek.core.errors import DataError, RequestError
from munmaek.run.evaluate_lm import AT_ONCE, evaluate_lm
from munmaek.run.model import Model
from munmaek.run.pretrain import pretrain

DOCUMENTS = [["눈이 와서 너무 좋다", "배를 타고 섬에 갔다"], ["말이 들판을 달린다"]] * 12


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Model:
    out = tmp_path_factory.mktemp("lm") / "run"
    pretrain("gpt", corpus=DOCUMENTS, out=out, size="tiny", budget="30 steps", vocab_size=100,
             settings={"batch_tokens": 512, "max_length": 32, "precision": "fp32"})  # fmt: skip
    return munmaek.load(out)


def test_a_trained_model_predicts_its_own_text_better_than_chance(model: Model) -> None:
    found = munmaek.evaluate_lm(model, DOCUMENTS)
    assert 1 < found.perplexity < 0.5 * model.tokenizer.vocab_size
    texts = [" ".join(document) for document in DOCUMENTS]
    assert found.num_characters == sum(map(len, texts))
    assert found.num_tokens == sum(len(e.ids) + 1 for e in model.tokenizer.encode_batch(texts, special=False))
    assert found.num_texts == len(texts)
    nats = math.log(found.perplexity) * found.num_tokens
    assert found.bits_per_character == pytest.approx(nats / math.log(2) / found.num_characters)


def test_files_are_read_as_a_corpus(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join("\n".join(document) for document in DOCUMENTS), "utf-8")
    expected = evaluate_lm(model, DOCUMENTS)
    for data in (path, [path], str(path)):
        found = evaluate_lm(model, data)
        assert found.perplexity == pytest.approx(expected.perplexity)
        assert found.num_texts == len(DOCUMENTS)
    (tmp_path / "empty.txt").write_text("\n\n", "utf-8")
    with pytest.raises(DataError):
        evaluate_lm(model, tmp_path / "empty.txt")


def test_unknown_tokens_are_said(model: Model) -> None:
    found = evaluate_lm(model, [["눈이 龘龘 좋다"]])
    assert found.num_unknown == 2
    assert "flatter" in found.notes[0]


class Counted:
    """A language model for which every character costs one bit."""

    def likelihood(self, texts: list[str], batch_tokens: int = 0) -> Likelihood:
        assert len(texts) <= AT_ONCE
        characters = sum(map(len, texts))
        return Likelihood(characters * math.log(2), characters + len(texts), characters)


def test_chunks_add_up(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "language_model", lambda self: Counted())
    done: list[int] = []
    found = evaluate_lm(model, [["가나다"]] * (2 * AT_ONCE + 5), progress=done.append)
    assert found.bits_per_character == pytest.approx(1.0)
    assert found.num_texts == sum(done) == 2 * AT_ONCE + 5
    assert found.perplexity == pytest.approx(2**0.75)


def test_generate_from_the_library(model: Model) -> None:
    first = model.generate("눈이", max_tokens=8, seed=1)
    assert isinstance(first, str)
    assert first == model.generate("눈이", max_tokens=8, seed=1)
    pieces: list[str] = []
    result = munmaek.generate(model, "눈이", max_tokens=8, seed=1, progress=pieces.append)
    assert result.text == "".join(pieces) == first
    assert (
        munmaek.generate(model, "눈이", temperature=0, stop="좋").text
        == munmaek.generate(model, "눈이", temperature=0, stop=["좋"]).text
    )


def test_a_system_without_a_next_token_says_which_have_one(tmp_path: Path) -> None:
    pretrain("word2vec", corpus=DOCUMENTS, out=tmp_path / "vectors", size="tiny", budget="1 steps", min_count=1,
             tokenizer="word", vocab_size=100)  # fmt: skip
    for ask in (lambda m: m.generate("눈이"), lambda m: evaluate_lm(m, DOCUMENTS)):
        with pytest.raises(RequestError, match=r"Word2Vec does not predict the next token.*gpt"):
            ask(munmaek.load(tmp_path / "vectors"))


def test_a_masked_model_is_scored_by_pseudo_likelihood(tmp_path: Path) -> None:
    pretrain("bert", corpus=DOCUMENTS, out=tmp_path / "bert", size="tiny", budget="20 steps", vocab_size=100,
             settings={"batch_tokens": 256, "max_length": 16, "precision": "fp32"})  # fmt: skip
    model = munmaek.load(tmp_path / "bert")
    with pytest.raises(RequestError, match=r"BERT does not predict the next token.*gpt"):
        model.generate("눈이")
    texts = ["눈이 와서 너무 좋다", "말이 들판을 달린다"]
    mask, nats, count = model.tokenizer.token_id("mask"), 0.0, 0
    for text in texts:  # one token of one text at a time
        encoding = model.encoder.tokenize([text])[0]
        for place, (token, special) in enumerate(zip(encoding.ids, encoding.special, strict=True)):
            if not special:
                ids = torch.tensor([[*encoding.ids[:place], mask, *encoding.ids[place + 1 :]]])
                states = model.module.bert(ids, torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids))
                nats -= float(model.module.word_logits(states)[0, place].log_softmax(-1)[token])
                count += 1
    for batch_tokens in (1, 50, 8192):
        found = evaluate_lm(model, [[text] for text in texts], batch_tokens=batch_tokens)
        assert found.pseudo
        assert "pseudo-perplexity" in found.notes[0]
        assert found.num_tokens == count
        assert found.perplexity == pytest.approx(math.exp(nats / count), rel=1e-4)
        assert found.bits_per_character == pytest.approx(nats / math.log(2) / sum(map(len, texts)), rel=1e-4)
    long = evaluate_lm(model, [[" ".join(texts * 40)]])  # more than it reads at once
    assert long.num_tokens == sum(
        len(e.ids) for e in model.tokenizer.encode_batch([" ".join(texts * 40)], special=False)
    )
