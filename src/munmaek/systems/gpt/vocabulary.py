"""Tokenizers of other GPTs: read from their folders, and completed with the special tokens that fine-tuning needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from munmaek.core.errors import CheckpointError, FormatError
from munmaek.core.files import read_json
from munmaek.data.tokenizers import FILE, TextTokenizer, load_tokenizer

NAMES_THERE = {"bos": "cls", "eos": "sep", "pad": "pad"}
"""Hugging Face's names of the roles: a text begins with bos (here cls) and ends with eos (here sep)."""
ADDED = {"start": ("cls", "_start_"), "extract": ("sep", "_classify_")}
"""What is added where it is missing: name, role, and the token as OpenAI's released code calls it."""


def read(folder: Path, model_type: str, config: dict[str, Any]) -> TextTokenizer:
    """The tokenizer of a folder: tokenizer.json, or vocab.json and merges.txt as the model type reads them.

    Raises:
        CheckpointError: neither is there. FormatError: a damaged file.
    """
    if (folder / FILE).is_file():
        tokenizer = load_tokenizer(folder)
        if tokenizer.normaliser is not None:
            return tokenizer  # one of ours: whole as it is
        backend, kind, special = tokenizer.backend, tokenizer.kind, dict(tokenizer.special_tokens)
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        build = openai_bpe if model_type == "openai-gpt" else byte_bpe
        backend, kind, special = build(folder / "vocab.json", folder / "merges.txt"), "bpe", {"unk": "<unk>"}
    else:
        raise CheckpointError(
            "the folder has no tokenizer.json, and no vocab.json with merges.txt",
            where=str(folder),
            fix="Put the model's own tokenizer files there.",
        )
    special = {role: token for role, token in special.items() if role == "unk" or model_type != "gpt2"}
    return TextTokenizer(backend, kind, special=special | _roles(folder, backend, config), settings={"origin": "other"})


def _roles(folder: Path, backend: Backend, config: dict[str, Any]) -> dict[str, str]:
    """Role -> token, as tokenizer_config.json names it, or config.json by its number."""
    path = folder / "tokenizer_config.json"
    named = read_json(path) if path.is_file() else {}
    found: dict[str, str] = {}
    for theirs, role in NAMES_THERE.items():
        value = named.get(f"{theirs}_token") if isinstance(named, dict) else None
        token = value.get("content") if isinstance(value, dict) else value
        number = config.get(f"{theirs}_token_id")
        if not isinstance(token, str) and isinstance(number, int) and not isinstance(number, bool):
            token = backend.id_to_token(number) if 0 <= number < 2**31 else None
        if isinstance(token, str) and backend.token_to_id(token) is not None:
            found[role] = token
    return found


def complete(tokenizer: TextTokenizer) -> tuple[TextTokenizer, list[str]]:
    """The tokenizer with a start and an extract token, and which of the two are new to the vocabulary.

    A missing padding token is the extract token: it is never looked at. The file's template of special tokens becomes
    start A extract, and start A extract B extract for pairs, so that other tools put the same ones.
    """
    special = {role: token for role, token in tokenizer.special_tokens.items() if role in tokenizer.special}
    if tokenizer.normaliser is not None and {"cls", "sep", "pad"} <= set(special):
        return tokenizer, []
    new = [name for name, (role, _) in ADDED.items() if role not in special]
    backend = Backend.from_str(tokenizer.backend.to_str())
    special |= {ADDED[name][0]: ADDED[name][1] for name in new}
    special.setdefault("pad", special["sep"])
    backend.add_special_tokens(list(dict.fromkeys(special.values())))
    if new or tokenizer.backend.num_special_tokens_to_add(False) != 2:
        _put_template(backend, special["cls"], special["sep"])
    settings = tokenizer.settings
    return TextTokenizer(
        backend, tokenizer.kind, special=special, normaliser=tokenizer.normaliser, settings=settings
    ), new


def _put_template(backend: Backend, start: str, extract: str) -> None:
    ids = {token: backend.token_to_id(token) or 0 for token in (start, extract)}
    template = processors.TemplateProcessing(
        single=[start, "$A", extract],
        pair=[start, "$A", extract, "$B:1", f"{extract}:1"],
        special_tokens=list(ids.items()),
    )
    before: Any = backend.post_processor
    byte_level = before is not None and type(before).__name__ == "ByteLevel"
    backend.post_processor = processors.Sequence([before, template]) if byte_level else template  # type: ignore


def openai_bpe(vocab: Path, merges: Path) -> Backend:
    """GPT-1's tokenizer: lower-cased words, cut at punctuation, byte pairs that end in </w>; English text only."""
    words, pairs = _words(vocab), _pairs(merges)
    backend = Backend(models.BPE(vocab=words, merges=pairs, unk_token="<unk>", end_of_word_suffix="</w>"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)  # type: ignore[assignment]
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # type: ignore[assignment]
    backend.decoder = decoders.BPEDecoder(suffix="</w>")  # type: ignore[assignment]
    return backend


def byte_bpe(vocab: Path, merges: Path) -> Backend:
    """GPT-2's tokenizer: byte pairs of UTF-8."""
    backend = Backend(models.BPE(vocab=_words(vocab), merges=_pairs(merges)))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
    backend.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    backend.post_processor = processors.ByteLevel(trim_offsets=False)  # type: ignore[assignment]
    return backend


def _words(path: Path) -> dict[str, int]:
    values = read_json(path)
    if not isinstance(values, dict) or sorted(map(str, values.values())) != sorted(map(str, range(len(values)))):
        raise FormatError("not a vocabulary: words numbered from 0 on, each number once", where=str(path))
    return values


def _pairs(path: Path) -> list[tuple[str, str]]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"cannot be read as UTF-8 text: {error}", where=str(path)) from error
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        first, space, second = line.partition(" ")
        if not space or not first or not second or " " in second:
            raise FormatError(f"not two pieces to merge: {line[:60]!r}", where=f"{path}:{number}")
        pairs.append((first, second))
    return pairs


def merges_of(tokenizer: TextTokenizer) -> tuple[dict[str, int], Sequence[str]] | None:
    """Words and merges, "a b" each, of a byte-pair tokenizer; None for other kinds."""
    model = json.loads(tokenizer.backend.to_str())["model"]
    if model.get("type") != "BPE":
        return None
    lines = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    return tokenizer.vocab(), lines
