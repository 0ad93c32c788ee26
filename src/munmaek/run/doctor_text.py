"""The doctor's report in words, English and Korean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from munmaek.run.doctor import Diagnosis

_KOREAN: dict[str, str] = {
    "blank": "빈 줄", "empty": "내용 없음", "header": "머리글", "no text": "글이 아닌 값", "not JSON": "JSON이 아님",
    "an empty line": "빈 줄", "not an object": "JSON 객체가 아님", "a line over 64 MiB": "64 MiB를 넘는 줄",
    "another number of columns than the header": "열의 수가 머리글과 다름",
    "invalid_utf8": "UTF-8이 아닌 바이트", "lines_of_invalid_utf8": "UTF-8이 아닌 바이트가 있는 줄", "nul": "NUL 문자",
    "invisible": "보이지 않는 제어 문자", "byte_order_mark": "BOM", "lone_surrogate": "짝 없는 서로게이트",
    "odd_line_break": "드문 줄바꿈 문자", "long_line_cut": "너무 길어 나눈 줄",
    "long_document_cut": "너무 길어 나눈 문서", "read_as_cp949": "CP949로 읽은 파일",
    "read_as_utf-16-le": "UTF-16으로 읽은 파일",
    "read_as_utf-16-be": "UTF-16으로 읽은 파일", "carriage_return_line_ends": "CR로 줄을 바꾼 파일",
    "each line is a document": "한 줄이 한 문서",
    "a blank line ends a document, each line is a sentence": "빈 줄에서 문서가 끝나고, 한 줄이 한 문장",
}  # fmt: skip

_FINDINGS: dict[str, tuple[str, str]] = {
    "many_dropped": (
        "{share:.1%} of the lines were dropped; look at the reasons above.",
        "줄의 {share:.1%}를 버렸습니다. 위의 까닭을 확인하세요.",
    ),
    "duplicates": (
        "{share:.1%} of the documents repeat an earlier one: remove them, or held-out figures will flatter.",
        "문서의 {share:.1%}가 앞의 문서와 같습니다. 지우지 않으면 검증 수치가 실제보다 좋게 나옵니다.",
    ),
    "invalid_utf8": (
        "{count:,} places were not valid UTF-8 and became \N{REPLACEMENT CHARACTER}: check how the file was saved.",
        "UTF-8이 아닌 곳 {count:,}군데를 \N{REPLACEMENT CHARACTER}로 바꾸었습니다. 파일을 저장한 방식을 확인하세요.",
    ),
    "not_nfc": (
        "{count:,} sentences were not NFC; reading and every tokenizer compose them, so nothing needs to be done.",
        "문장 {count:,}개가 NFC가 아니었습니다. 읽을 때와 토큰화할 때 조합하므로 따로 할 일은 없습니다.",
    ),
    "nsp": (
        "Next sentence prediction is possible: documents of two sentences or more: {documents:,}.",
        "다음 문장 예측(NSP)을 쓸 수 있습니다. 두 문장 이상인 문서가 {documents:,}개입니다.",
    ),
    "no_nsp": (
        "Next sentence prediction is not possible: it needs two documents, one of them with two sentences. "
        "Pre-train on masked words alone, or try --split-sentences.",
        "다음 문장 예측(NSP)을 쓸 수 없습니다. 문서가 둘 이상이고 두 문장 이상인 문서가 있어야 합니다. "
        "가린 단어 맞히기만으로 학습하거나 --split-sentences를 써 보세요.",
    ),
    "too_small": (
        "{tokens:,} tokens are too few for pre-training to be worth it: add text, or import a published model and go "
        "on from there.",
        "토큰 {tokens:,}개는 사전 학습을 하기에 너무 적습니다. "
        "글을 더 모으거나, 공개된 모델을 들여와 이어서 학습하세요.",
    ),
    "size": (
        "{tokens:,} tokens are enough for size {size}.",
        "토큰 {tokens:,}개는 {size} 크기에 알맞습니다.",
    ),
    "few_documents": (
        "Few documents ({documents:,}): held-out text is chosen by document, so its figures will be rough.",
        "문서가 {documents:,}개뿐입니다. 검증용 글은 문서 단위로 떼어 두므로 수치가 거칩니다.",
    ),
    "vocabulary": (
        "A vocabulary of {now:,} is large for this much text: most tokens would be seen too rarely; "
        "try --vocab-size {better}.",
        "어휘 {now:,}개는 이만한 글에 비해 큽니다. 대부분의 토큰이 너무 드물게 나옵니다. "
        "--vocab-size {better}를 써 보세요.",
    ),
    "unknown_syllables": (
        "{share:.2%} of the syllables are lost in [UNK] (most often: {worst}): "
        "use a tokenizer trained on text like this.",
        "음절의 {share:.2%}가 [UNK]로 사라집니다(가장 잦은 것: {worst}). 이런 글로 학습한 토크나이저를 쓰세요.",
    ),
    "unknown_tokens": (
        "{share:.2%} of the tokens are [UNK]: use a tokenizer trained on text like this.",
        "토큰의 {share:.2%}가 [UNK]입니다. 이런 글로 학습한 토크나이저를 쓰세요.",
    ),
    "many_tokens": (
        "{mean:.1f} tokens for one eojeol: this tokenizer was not made for this language.",
        "어절 하나가 토큰 {mean:.1f}개로 나뉩니다. 이 언어에 맞는 토크나이저가 아닙니다.",
    ),
}
_MARKS = {"serious": "!", "hint": "-", "good": "+"}


def lines(d: Diagnosis, language: str = "en") -> list[str]:
    """A diagnosis as lines, in English ("en") or Korean ("ko")."""
    korean = language == "ko"
    found = [*(_korean(d) if korean else _english(d)), ""]
    for finding in d.findings:
        found.append(f"{_MARKS[finding.level]} {_FINDINGS[finding.code][korean].format(**finding.values)}")
    return found


def _counts(counts: Mapping[str, int], korean: bool) -> str:
    if not counts:
        return "없음" if korean else "none"
    names = ((_KOREAN.get(reason, reason) if korean else reason.replace("_", " ")) for reason in counts)
    return ", ".join(f"{name} {count:,}" for name, count in zip(names, counts.values(), strict=True))


def _layouts(d: Diagnosis, korean: bool) -> Iterator[str]:
    for layout in dict.fromkeys(d.layouts.values()):
        files = sum(1 for other in d.layouts.values() if other == layout)
        if korean:
            yield f"문서 나누기: {_KOREAN.get(layout, layout)} (파일 {files:,}개)"
        else:
            yield f"documents told apart: {layout} ({files:,} file{'s' if files > 1 else ''})"


def _english(d: Diagnosis) -> Iterator[str]:
    t = d.tokenizer
    about = "about " if d.duplicates_estimated else ""
    yield f"lines read {d.lines_read:,} = kept {d.lines_kept:,} + dropped {d.lines_read - d.lines_kept:,}"
    yield f"  dropped: {_counts(d.dropped, False)}"
    yield f"  repaired: {_counts(d.repairs, False)}"
    yield from _layouts(d, False)
    yield f"documents {d.documents:,}; of several sentences {d.documents_of_two:,}; duplicates {about}{d.duplicates:,}"
    yield f"sentences {d.sentences:,}, eojeols {d.eojeols:,} ({d.distinct_eojeols:,} different)"
    yield f"characters {d.characters:,} ({d.bytes:,} bytes), Hangul {d.hangul_share:.1%} of the letters"
    yield f"different syllables {d.distinct_syllables:,} of 11,172"
    yield f"Unicode form: {d.unicode} ({d.sentences_not_nfc:,} of {d.sentences:,} sentences not NFC)"
    yield f"tokenizer {t.name} ({t.kind}, vocabulary {t.vocab_size:,})"
    yield f"  tokens {t.num_tokens:,}, {t.tokens_per_eojeol:.2f} an eojeol"
    yield f"  [UNK] {t.unknown_tokens:,} ({t.unknown_share:.3%} of the tokens)"
    yield f"  syllables lost in [UNK] {t.unknown_syllables:,} of {t.syllables:,} ({t.unknown_syllable_share:.4%})"


def _korean(d: Diagnosis) -> Iterator[str]:
    t = d.tokenizer
    about = "약 " if d.duplicates_estimated else ""
    yield f"읽은 줄 {d.lines_read:,} = 남긴 줄 {d.lines_kept:,} + 버린 줄 {d.lines_read - d.lines_kept:,}"
    yield f"  버림: {_counts(d.dropped, True)}"
    yield f"  고침: {_counts(d.repairs, True)}"
    yield from _layouts(d, True)
    yield f"문서 {d.documents:,}개, 두 문장 이상 {d.documents_of_two:,}개, 중복 {about}{d.duplicates:,}개"
    yield f"문장 {d.sentences:,}개, 어절 {d.eojeols:,}개 (서로 다른 어절 {d.distinct_eojeols:,}개)"
    yield f"글자 {d.characters:,}자 ({d.bytes:,}바이트), 글자 가운데 한글 {d.hangul_share:.1%}"
    yield f"서로 다른 음절 {d.distinct_syllables:,}개 (전체 11,172개)"
    yield f"유니코드 형식: {d.unicode} (문장 {d.sentences:,}개 가운데 NFC가 아닌 것 {d.sentences_not_nfc:,}개)"
    yield f"토크나이저 {t.name} ({t.kind}, 어휘 {t.vocab_size:,}개)"
    yield f"  토큰 {t.num_tokens:,}개, 어절마다 {t.tokens_per_eojeol:.2f}개"
    yield f"  [UNK] {t.unknown_tokens:,}개 (토큰의 {t.unknown_share:.3%})"
    yield f"  [UNK]로 사라진 음절 {t.syllables:,}개 가운데 {t.unknown_syllables:,}개 ({t.unknown_syllable_share:.4%})"
