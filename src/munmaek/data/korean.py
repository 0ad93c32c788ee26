"""Hangul and Korean: syllables and jamo, particles after final consonants, eojeols, sentences."""

from __future__ import annotations

import re

FIRST, LAST = "가", "힣"
INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
SYLLABLES = tuple(chr(code) for code in range(ord(FIRST), ord(LAST) + 1))


def is_syllable(character: str) -> bool:
    """Whether this is one of the 11,172 composed syllables."""
    return len(character) == 1 and FIRST <= character <= LAST


def is_hangul(character: str) -> bool:
    """Whether this is a syllable, a jamo or a compatibility jamo."""
    code = ord(character)
    return 0xAC00 <= code <= 0xD7FB or 0x1100 <= code <= 0x11FF or 0x3130 <= code <= 0x318F or 0xA960 <= code <= 0xA97F


def decompose(syllable: str) -> tuple[str, str, str]:
    """Initial, vowel and final ("" where there is none) of a syllable, as compatibility jamo: 값 -> ㄱ, ㅏ, ㅄ.

    Raises:
        ValueError: not a composed syllable.
    """
    if not is_syllable(syllable):
        raise ValueError(f"{syllable!r} is not a Hangul syllable")
    index = ord(syllable) - ord(FIRST)
    return INITIALS[index // 588], VOWELS[index % 588 // 28], FINALS[index % 28]


def compose(initial: str, vowel: str, final: str = "") -> str:
    """The syllable of three compatibility jamo: ㄱ, ㅏ, ㅄ -> 값.

    Raises:
        ValueError: a letter that cannot stand in its place.
    """
    try:
        index = (INITIALS.index(initial) * 21 + VOWELS.index(vowel)) * 28 + FINALS.index(final)
    except ValueError:
        raise ValueError(f"{initial!r}, {vowel!r}, {final!r} do not form a syllable") from None
    return chr(ord(FIRST) + index)


def to_jamo(text: str) -> str:
    """Text with every syllable as its compatibility jamo: 눈 -> ㄴㅜㄴ."""
    return "".join("".join(decompose(c)) if is_syllable(c) else c for c in text)


_DIGIT_FINALS = {"0": True, "1": True, "2": False, "3": True, "4": False, "5": False, "6": True, "7": True, "8": True}
_LETTERS_WITH_FINALS = frozenset("lmnrLMNR")


def has_final(text: str) -> bool:
    """Whether a word ends in a consonant when read aloud; digits and a few Latin letters by their Korean names."""
    return _final(text) != ""


def _final(text: str) -> str:
    for character in reversed(text):
        if is_syllable(character):
            return decompose(character)[2]
        if character in _DIGIT_FINALS or character == "9":
            return ("ㄹ" if character in "178" else "ㅇ") if _DIGIT_FINALS.get(character, False) else ""
        if character.isalpha():
            if character in INITIALS or character in FINALS[1:]:
                return "ㅇ"
            return ("ㄹ" if character in "lLrR" else "ㅁ") if character in _LETTERS_WITH_FINALS else ""
    return ""


# pair -> (after a consonant, after a vowel, after a final ㄹ)
_PARTICLES = {
    "은/는": ("은", "는", "은"),
    "이/가": ("이", "가", "이"),
    "을/를": ("을", "를", "을"),
    "과/와": ("과", "와", "과"),
    "아/야": ("아", "야", "아"),
    "으로/로": ("으로", "로", "로"),
    "이다/다": ("이다", "다", "이다"),
    "이나/나": ("이나", "나", "이나"),
    "이랑/랑": ("이랑", "랑", "이랑"),
    "이라/라": ("이라", "라", "이라"),
    "이라고/라고": ("이라고", "라고", "이라고"),
    "이었/였": ("이었", "였", "이었"),
    "이에요/예요": ("이에요", "예요", "이에요"),
    "이야/야": ("이야", "야", "이야"),
    "이며/며": ("이며", "며", "이며"),
    "이고/고": ("이고", "고", "이고"),
    "이든/든": ("이든", "든", "이든"),
    "이여/여": ("이여", "여", "이여"),
}


def particle(word: str, pair: str) -> str:
    """The form of a particle that follows a word: ("눈", "은/는") -> 은. Either order of the pair is understood.

    Raises:
        ValueError: a pair that is not known.
    """
    left, _, right = pair.partition("/")
    forms = _PARTICLES.get(pair) or _PARTICLES.get(f"{right}/{left}")
    if forms is None:
        raise ValueError(f"unknown particle pair {pair!r}; known: {', '.join(_PARTICLES)}")
    final = _final(word)
    return forms[2] if final == "ㄹ" else forms[0] if final else forms[1]


def josa(word: str, pair: str) -> str:
    """The word with its particle: ("눈", "이/가") -> 눈이, ("다리", "으로/로") -> 다리로, ("길", "으로/로") -> 길로."""
    return word + particle(word, pair)


def eojeols(text: str) -> list[tuple[int, int]]:
    """Spans [start, end) of the space-separated words of a text."""
    return [match.span() for match in re.finditer(r"\S+", text)]


_END = re.compile(
    r"""(?:[.!?…。!?~]+|(?<=[다요죠까네])[ㅋㅎㅠㅜ^]+)   # marks that end a sentence
        ["'”’」』)\]]*                                        # quotes and brackets that close with it
        (?=\s|$)""",
    re.VERBOSE,
)
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|St|No|vs|etc|e\.g|i\.e|\d+)\.$")


def split_sentences(text: str) -> list[str]:
    """Sentences of a line of Korean or English text, by their end marks followed by white space.

    Abbreviations, initials and list numbers ("1. ", "Dr. ") do not end one; text without end marks is one sentence.
    """
    sentences: list[str] = []
    start = 0
    for match in _END.finditer(text):
        end = match.end()
        if _ABBREVIATION.search(text[start:end][-12:]) and end < len(text):
            continue
        piece = text[start:end].strip()
        if piece:
            sentences.append(piece)
        start = end
    rest = text[start:].strip()
    if rest:
        sentences.append(rest)
    return sentences
