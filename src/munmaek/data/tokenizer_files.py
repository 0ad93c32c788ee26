"""Tokenizer folders: what other tools expect beside tokenizer.json, and reading ours and theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tokenizers import Tokenizer as Backend
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from munmaek.core.errors import FormatError, RequestError
from munmaek.core.files import read_json
from munmaek.data.kinds import MORPHEMES
from munmaek.data.normalise import Normaliser
from munmaek.data.phrases import Phrases

if TYPE_CHECKING:
    from munmaek.data.tokenizers import TextTokenizer

FORMAT_VERSION = 1
_LONGEST = 1_000_000_000
_GUESSES = {
    "pad": ("[PAD]", "<pad>"),
    "unk": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "mask": ("[MASK]", "<mask>"),
}
_KIND_OF_MODEL = {"WordPiece": "wordpiece", "BPE": "bpe", "Unigram": "unigram", "WordLevel": "word"}

_NEEDS_MORPHEMES = (
    "kiwipiepy cuts the text at morpheme borders, marked U+001F, before tokenizer.json sees it; opened without that "
    "step, tokenizer.json works but gives other ids"
)
_NEEDS_PHRASES = (
    "munmaek joins the words that tokenizer.json finds into phrases; opened without that step, tokenizer.json works "
    "but gives the ids of the words, and those from the size of the phrases on have no vector"
)


def companions(tokenizer: TextTokenizer) -> dict[str, dict[str, Any]]:
    """The JSON files beside tokenizer.json: file name -> content.

    `PreTrainedTokenizerFast` with every special token named is what opens identically in transformers 4.57 and 5.x; a
    class of BERT's own would rebuild the normaliser from its defaults and lower-case or strip Hangul.
    """
    special = {f"{role}_token": token for role, token in tokenizer.special_tokens.items()}
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "model_max_length": tokenizer.settings.get("model_max_length", _LONGEST),
        "clean_up_tokenization_spaces": False,
        "do_lower_case": False,
    }
    ours = {
        "format_version": FORMAT_VERSION,
        "kind": tokenizer.kind,
        "special": tokenizer.special_tokens,
        "normaliser": tokenizer.normaliser.as_dict() if tokenizer.normaliser else None,
        "settings": tokenizer.settings,
    }
    needs = [_NEEDS_MORPHEMES] if tokenizer.kind in MORPHEMES else []
    if tokenizer.phrases:
        needs.append(_NEEDS_PHRASES)
        ours["phrases"] = tokenizer.phrases.as_dict()
    if needs:
        ours["needs"] = "; ".join(needs)
    if tokenizer.normaliser is None:
        config.pop("do_lower_case")
    return {"tokenizer_config.json": config, "special_tokens_map.json": special, "munmaek_tokenizer.json": ours}


def read_tokenizer(path: Path) -> TextTokenizer:
    """See `munmaek.data.tokenizers.load_tokenizer`."""
    from munmaek.data.tokenizers import TextTokenizer

    folder = path if path.is_dir() else path.parent
    file = path / "tokenizer.json" if path.is_dir() else path
    if not path.exists():
        raise RequestError("there is no such tokenizer", where=str(path), fix="Give a folder with tokenizer.json.")
    if file.name == "vocab.txt" or (not file.is_file() and (folder / "vocab.txt").is_file()):
        backend = _from_vocab(folder / "vocab.txt", folder)
    else:
        backend = _from_json(file)
    ours = folder / "munmaek_tokenizer.json"
    if ours.is_file():
        return _own(backend, read_json(ours), ours)
    kind = _KIND_OF_MODEL.get(type(backend.model).__name__, "wordpiece")
    return TextTokenizer(backend, kind, special=_special_tokens(folder, backend), settings={"origin": "other"})


def _from_json(file: Path) -> Backend:
    if not file.is_file():
        fix = "Copy the whole folder again."
        raise RequestError("the folder has no tokenizer.json", where=str(file.parent), fix=fix)
    try:
        return Backend.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise FormatError(f"not a tokenizer file: {error}", where=str(file), fix="Copy the file again.") from error


def _from_vocab(file: Path, folder: Path) -> Backend:
    """The tokenizer of an original BERT: vocab.txt, and whether it lower-cases from tokenizer_config.json."""
    config = _optional(folder / "tokenizer_config.json")
    lower = bool(config.get("do_lower_case", True))
    strip = config.get("strip_accents")
    words = file.read_text("utf-8", errors="replace").split("\n")
    vocabulary = {word.rstrip("\r"): number for number, word in enumerate(words) if word}
    if "[UNK]" not in vocabulary:
        raise FormatError("the vocabulary has no [UNK]", where=str(file), fix="Give the vocab.txt of a BERT.")
    wrapped: Any = BertWordPieceTokenizer(
        vocabulary,
        lowercase=lower,
        strip_accents=strip,
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
    )
    return cast(Backend, wrapped._tokenizer)


def _own(backend: Backend, values: Any, where: Path) -> TextTokenizer:
    from munmaek.data.tokenizers import KINDS, TextTokenizer

    if not isinstance(values, dict) or cast("dict[str, Any]", values).get("format_version") != FORMAT_VERSION:
        raise FormatError("the tokenizer's settings are of another version", where=str(where))
    facts = cast("dict[str, Any]", values)
    if facts.get("kind") not in KINDS or not isinstance(facts.get("special"), dict):
        raise FormatError(f"unknown tokenizer kind {facts.get('kind')!r}", where=str(where))
    try:
        normaliser = Normaliser(**facts["normaliser"]) if facts.get("normaliser") else None
    except TypeError as error:
        raise FormatError(f"unknown settings of the normaliser: {error}", where=str(where)) from error
    phrases = None
    if facts.get("phrases") is not None:
        vocabulary = backend.get_vocab(with_added_tokens=True)
        phrases = Phrases.from_dict(facts["phrases"], vocabulary, vocabulary.get("[UNK]", -1), str(where))
    return TextTokenizer(
        backend, facts["kind"], special=facts["special"], normaliser=normaliser, settings=facts.get("settings") or {},
        phrases=phrases,
    )  # fmt: skip


def _special_tokens(folder: Path, backend: Backend) -> dict[str, str]:
    """Role -> token, from the folder's configuration files, or the usual names that the vocabulary has."""
    named = {**_optional(folder / "tokenizer_config.json"), **_optional(folder / "special_tokens_map.json")}
    found: dict[str, str] = {}
    for role, guesses in _GUESSES.items():
        value = named.get(f"{role}_token")
        token = cast("dict[str, Any]", value).get("content") if isinstance(value, dict) else value
        candidates = [token] if isinstance(token, str) else []
        for candidate in (*candidates, *guesses):
            if backend.token_to_id(candidate) is not None:
                found[role] = candidate
                break
    return found


def _optional(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
