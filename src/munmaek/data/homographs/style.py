"""Four speech levels for sentences written once, in the plain written level (해라체).

Only the predicate that ends the sentence and the speaker's pronouns change. Past and -겠다, -있다 are regular; every
other ending must stand in `INFORMAL`, so that no form is ever guessed.
"""

from __future__ import annotations

import re

PLAIN, FORMAL, POLITE, INFORMAL_STYLE = "해라체", "합쇼체", "해요체", "해체"
STYLES = (PLAIN, FORMAL, POLITE, INFORMAL_STYLE)

_SYLLABLES, _FINALS = 0xAC00, 28
_NIEUN, _RIEUL, _BIEUP, _SSANGSIOT = 4, 8, 17, 20

INFORMAL = {
    "것이다": "거야",
    "이다": "이야",
    "아니다": "아니야",
    "없다": "없어",
    "같다": "같아",
    "좋다": "좋아",
    "싫다": "싫어",
    "않다": "않아",
    "않는다": "않아",
    "많다": "많아",
    "싶다": "싶어",
    "예쁘다": "예뻐",
    "기쁘다": "기뻐",
    "슬프다": "슬퍼",
    "고맙다": "고마워",
    "그립다": "그리워",
    "무섭다": "무서워",
    "아깝다": "아까워",
    "쉽다": "쉬워",
    "어렵다": "어려워",
    "한다": "해",
    "하다": "해",
    "된다": "돼",
    "온다": "와",
    "간다": "가",
    "난다": "나",
    "본다": "봐",
    "준다": "줘",
    "모른다": "몰라",
    "든다": "들어",
    "산다": "살아",
    "먹는다": "먹어",
    "남는다": "남아",
    "아프다": "아파",
    "떠오른다": "떠올라",
    "새롭다": "새로워",
    "린다": "려",
    "바쁘다": "바빠",
    "신다": "셔",
    "슨다": "슬어",
    "진다": "져",
    "둔다": "둬",
    "옮긴다": "옮겨",
    "자른다": "잘라",
    "적는다": "적어",
    "선다": "서",
    "친다": "쳐",
    "짠다": "짜",
    "보인다": "보여",
    "쓴다": "써",
    "찍는다": "찍어",
    "받는다": "받아",
    "다닌다": "다녀",
    "낀다": "껴",
    "판다": "팔아",
    "닫는다": "닫아",
    "나뉜다": "나뉘어",
    "채운다": "채워",
    "부른다": "불러",
    "싸다": "싸",
    "안다": "알아",
    "쉰다": "쉬어",
    "긁어모은다": "긁어모아",
    "흐른다": "흘러",
    "피운다": "피워",
    "낳는다": "낳아",
    "바뀐다": "바뀌어",
    "녹는다": "녹아",
    "묻는다": "물어",
    "다르다": "달라",
    "몰아낸다": "몰아내",
    "찾는다": "찾아",
    "찾아낸다": "찾아내",
    "치른다": "치러",
    "바꾼다": "바꿔",
    "빨갛다": "빨개",
    "핀다": "피어",
    "넣는다": "넣어",
    "내놓는다": "내놓아",
}
"""Endings of the present tense in 해체; 해요체 adds 요."""

_PRONOUNS = {
    "나는": "저는",
    "내가": "제가",
    "나를": "저를",
    "나도": "저도",
    "나에게": "저에게",
    "나한테": "저한테",
    "나만": "저만",
    "나보다": "저보다",
    "나처럼": "저처럼",
    "나까지": "저까지",
    "내": "제",
}
_PRONOUN = re.compile(rf"(?<!\S)({'|'.join(_PRONOUNS)})(?!\S)")
_BEFORE_TOPIC = re.compile(r"(^|[와과] )$")
_POLITE = {"거야": "거예요", "아니야": "아니에요", "셔": "세요"}
_COPULA = {POLITE: ("이에요", "예요"), INFORMAL_STYLE: ("이야", "야")}
_LAST_CHOICE = re.compile(r"\[([^\[\]]*)\]$")


def restyle(sentence: str, style: str, word: str = "") -> str:
    """A plain-level sentence without its full stop, at another level; `word` is what @ stands for.

    Raises:
        ValueError: an ending that is not known.
    """
    if style in (FORMAL, POLITE):
        sentence = _PRONOUN.sub(_humble, sentence)
    choice = _LAST_CHOICE.search(sentence)
    if choice:
        options = "|".join(_end(option, style, word) for option in choice[1].split("|"))
        return f"{sentence[: choice.start()]}[{options}]"
    return _end(sentence, style, word)


def _humble(match: re.Match[str]) -> str:
    """나는 is the speaker at the start and after 와/과; elsewhere it is a verb (향이 나는, 하늘을 나는)."""
    if match[1] == "나는" and not _BEFORE_TOPIC.search(match.string[: match.start()]):
        return match[1]
    return _PRONOUNS[match[1]]


def _end(sentence: str, style: str, word: str) -> str:
    if style == PLAIN:
        return sentence
    if sentence.endswith("까?"):
        return sentence if style == INFORMAL_STYLE else sentence[:-1] + "요?"
    if not sentence.endswith("다"):
        raise ValueError(f"{sentence!r} does not end in 다 or 까?")
    stem = sentence[:-1]
    if style == FORMAL:
        return _formal(sentence)
    if _final(stem[-1]) == _SSANGSIOT:
        return stem + ("어요" if style == POLITE else "어")
    return _present(sentence, style, word)


def _present(sentence: str, style: str, word: str) -> str:
    ending = next((e for e in sorted(INFORMAL, key=len, reverse=True) if sentence.endswith(e)), None)
    if ending is None:
        raise ValueError(f"the ending of {sentence!r} is not in the table of endings")
    head, informal = sentence[: -len(ending)], INFORMAL[ending]
    if informal == "이야":
        closed = _final((head[:-1] + word if head[-1] == "@" else head)[-1])
        return head + _COPULA[style][0 if closed else 1]
    if style == POLITE:
        return head + (_POLITE.get(informal) or informal + "요")
    return head + informal


def _formal(sentence: str) -> str:
    stem = sentence[:-1]
    final = _final(stem[-1])
    if stem.endswith("는") and len(stem) > 1 and _final(stem[-2]):
        return stem[:-1] + "습니다"
    if final in (0, _NIEUN, _RIEUL):
        return stem[:-1] + chr(ord(stem[-1]) - final + _BIEUP) + "니다"
    return stem + "습니다"


def _final(syllable: str) -> int:
    return (ord(syllable) - _SYLLABLES) % _FINALS if "가" <= syllable <= "힣" else 0
