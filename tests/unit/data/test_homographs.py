"""The built-in corpus: deterministic, distinct, marked, grammatical where a rule can tell, and split without leaks."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import islice
from math import log

import pytest

from munmaek.core.contracts import Corpus
from munmaek.core.errors import RequestError
from munmaek.data import homographs
from munmaek.data.homographs.grammar import load_grammar, pieces_of, template, with_cues
from munmaek.data.homographs.style import FORMAL, INFORMAL_STYLE, PLAIN, POLITE, restyle
from munmaek.data.korean import decompose
from munmaek.report.wording import notice

COUNT = 20000
AFTER_CONSONANT = {"은": "는", "이": "가", "을": "를", "과": "와", "으로": "로", "이랑": "랑", "이나": "나"}
AFTER_VOWEL = {vowel: consonant for consonant, vowel in AFTER_CONSONANT.items()}
PARTICLES = (
    "은",
    "는",
    "이",
    "가",
    "을",
    "를",
    "과",
    "와",
    "의",
    "도",
    "에",
    "로",
    "으로",
    "에서",
    "만",
    "에게",
    "까지",
)
PARTICLES += ("부터", "보다", "처럼", "이나", "나", "마다", "라서", "이라서", "께서", "에는", "까지")
NOT_NOUNS = {"새로"}
ASKED_FOR = """눈 배 말 밤 다리 차 사과 감 벌 비 풀 김 절 상 병 은행 의사 수도 장 시 연기 전기 기사 부자 이
새 해 초 팔 파 등 거리 가지 굴 종 바람 머리 공 발"""


@pytest.fixture(scope="module")
def documents() -> list[homographs.Document]:
    return list(homographs.documents(seed=0, count=COUNT))


@pytest.fixture(scope="module")
def held() -> list[homographs.Document]:
    return list(homographs.held_out(seed=0, count=1500))


def sentences(documents: list[homographs.Document]) -> list[homographs.Sentence]:
    return [sentence for document in documents for sentence in document.sentences]


def test_twenty_thousand_documents_are_distinct_and_of_three_to_eight_sentences(documents, held):
    assert len({document.text for document in documents}) == COUNT
    assert {len(document.sentences) for document in held} <= set(range(3, 9))
    lengths = Counter(len(document.sentences) for document in documents)
    assert set(lengths) == set(range(3, 9))


def test_a_seed_gives_the_same_documents_and_a_prefix_is_a_prefix(documents):
    assert list(homographs.documents(seed=0, count=700)) == documents[:700]
    other = [document.text for document in homographs.documents(seed=1, count=700)]
    assert len({document.text for document in documents[:700]} & set(other)) < 35


def test_any_size():
    assert list(homographs.documents(count=0)) == []
    assert len(list(homographs.documents(seed=5, count=1))) == 1
    with pytest.raises(RequestError, match="-1"):
        list(homographs.documents(count=-1))


def test_every_occurrence_is_where_it_says_and_of_a_known_sense(documents, held):
    inventory = homographs.senses()
    for sentence in sentences(documents) + sentences(held):
        for spot in sentence.homographs:
            assert sentence.text[spot.start : spot.end] == spot.word
            assert spot.start == 0 or sentence.text[spot.start - 1] == " "
            assert spot.sense in inventory[spot.word]


def test_every_homograph_with_a_particle_is_marked(documents, held):
    words = "|".join(sorted(homographs.senses(), key=len, reverse=True))
    looks_like = re.compile(rf"(?<!\S)({words})(?:{'|'.join(PARTICLES)})?[.?!]?(?!\S)")
    for sentence in sentences(documents) + sentences(held):
        starts = {spot.start for spot in sentence.homographs}
        for match in looks_like.finditer(sentence.text):
            verb = match[0].rstrip(".") == "해" and match.end() == len(sentence.text)
            assert match.start() in starts or verb or match[0] in NOT_NOUNS, (match[0], sentence.text)


def test_every_sense_occurs_and_at_least_forty_five_words_have_two(documents):
    seen = Counter((spot.word, spot.sense) for sentence in sentences(documents) for spot in sentence.homographs)
    for word, glosses in homographs.senses().items():
        assert len(glosses) >= 2
        for sense in glosses:
            assert seen[word, sense] >= 10, (word, sense)
    frequent = Counter(word for (word, _), number in seen.items() if number >= 100)
    assert sum(number >= 2 for number in frequent.values()) >= 45
    assert [word for word in ASKED_FOR.split() if frequent[word] < 2] == []


def test_context_decides_because_senses_share_what_follows_the_word(documents):
    tails: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for sentence in sentences(documents):
        for spot in sentence.homographs:
            if len(tail := sentence.text[spot.end :]) > 8:
                tails[spot.word][spot.sense].add(tail)
    shared = [
        word
        for word, by_sense in tails.items()
        if any(by_sense[a] & by_sense[b] for a in by_sense for b in by_sense if a < b)
    ]
    assert len(shared) >= 45


def test_phrases_on_either_side_of_a_homograph_tell_its_sense(documents):
    rules = load_grammar()
    phrases = {scene.name: ["".join(piece.text for piece in cue) for cue in scene.cues] for scene in rules.scenes}
    words = {scene.name: (scene.word, scene.sense) for scene in rules.scenes}
    sides, twice = Counter(), 0
    told = [document for document in documents if phrases[document.scene]]
    for document in told:
        word, sense = words[document.scene]
        spots = [
            (place, spot) for place, sentence in enumerate(document.sentences) for spot in sentence.homographs
            if (spot.word, spot.sense) == (word, sense)
        ]  # fmt: skip
        texts = [sentence.text for sentence in document.sentences]
        (opening, first), (closing, last) = spots[0], spots[-1]
        after = " ".join([texts[opening][first.end :], *texts[opening + 1 :]])
        before = " ".join([*texts[:closing], texts[closing][: last.start]])
        sides["after the first"] += any(phrase in after for phrase in phrases[document.scene])
        sides["before the last"] += any(phrase in before for phrase in phrases[document.scene])
        twice += any(sum(phrase in text for phrase in phrases[document.scene]) > 1 for text in texts)
    assert min(sides.values()) > 0.8 * len(told)
    assert twice > 0.4 * len(told)


def test_a_line_gets_a_phrase_only_where_its_homograph_begins_a_noun_phrase():
    lines = {
        "@이 줄지어 갔다": "~ @이 줄지어 갔다",
        "{사람}은/는 @을 보았다": "{사람}은/는 ~ @을 보았다",
        "{날} 언덕에서 @을 보았다": "{날} 언덕에서 ~ @을 보았다",
    }
    refused = [
        "어린 @은 울었다",
        "갓 태어난 @이 울었다",
        "우리는 @했다",
        "대장장이 @이 만들었다",
        "비가 왔다",
        "@이 꿀을 모았다",
    ]
    cues = {"꿀을 모으는": pieces_of("꿀을 모으는")}
    for line, cued in lines.items():
        found = with_cues(template(line, "벌", "bee"), "벌", "bee", cues)
        assert found.source == line
        assert found.cued is not None
        assert found.cued.source == cued
        assert found.cues == tuple(cues.values())
        assert with_cues(template(line, "벌", "bee"), "벌", "bee", {}).cued is None
    for line in refused:
        assert with_cues(template(line, "벌", "bee"), "벌", "bee", cues).cued is None, line


def fits(word: str, particle: str) -> bool:
    final = decompose(word[-1])[2]
    if particle == "로":
        return final in ("", "ㄹ")
    if particle == "으로":
        return final not in ("", "ㄹ")
    return bool(final) == (particle in AFTER_CONSONANT)


def test_particles_fit_the_word_before_them(documents, held):
    checked = Counter()
    pairs = "|".join(sorted([*AFTER_CONSONANT, *AFTER_VOWEL], key=len, reverse=True))
    nouns = {phrase.split()[-1] for words in load_grammar().lexicon.values() for phrase in words}
    nouns |= {phrase.split()[-1] for s in load_grammar().scenes for words in s.slots.values() for phrase in words}
    nouns = {noun for noun in nouns if len(noun) > 1} - {"빨간", "파란", "노란"}
    with_particle = re.compile(rf"(?<!\S)({'|'.join(sorted(nouns, key=len, reverse=True))})({pairs})(?!\S)")
    tail = re.compile(rf"({pairs})(?!\S)")
    for sentence in sentences(documents) + sentences(held):
        for spot in sentence.homographs:
            if match := tail.match(sentence.text, spot.end):
                assert fits(spot.word, match[1]), sentence.text
                checked["homograph"] += 1
        for match in with_particle.finditer(sentence.text):
            assert fits(match[1], match[2]), sentence.text
            checked["slot"] += 1
    assert min(checked.values()) > 10000


def test_slots_and_notation_leave_nothing_behind(documents, held):
    for sentence in sentences(documents) + sentences(held):
        assert re.fullmatch(r"[가-힣0-9 ,.?]+", sentence.text), sentence.text
        assert "  " not in sentence.text


def test_labels_are_balanced_within_reason(documents):
    sentiments = Counter(document.sentiment for document in documents)
    assert set(sentiments) == set(homographs.SENTIMENTS)
    assert min(sentiments.values()) > 0.3 * COUNT
    topics = Counter(document.topic for document in documents)
    assert set(topics) == set(homographs.topics())
    assert min(topics.values()) > 0.02 * COUNT
    assert max(topics.values()) < 0.25 * COUNT


def test_no_single_word_gives_a_sentiment_away(documents):
    by_word: dict[str, Counter[str]] = defaultdict(Counter)
    totals = Counter(document.sentiment for document in documents)
    for document in documents:
        for word in set(document.text.replace(".", "").split()):
            by_word[word][document.sentiment] += 1
    for sentiment, total in totals.items():
        pure = [counts[sentiment] for counts in by_word.values() if counts[sentiment] > 0.9 * counts.total()]
        assert max(pure) < 0.1 * total


def guess(text: str, counts: dict[str, Counter[str]], totals: dict[str, int]) -> str:
    """The label of a naive Bayes classifier over eojeols."""
    words = set(text.replace(".", "").split())
    scores = {name: sum(log((bag[word] + 1) / totals[name]) for word in words) for name, bag in counts.items()}
    return max(scores, key=scores.__getitem__)


def test_sentiment_and_topic_can_be_learned_from_the_text(documents, held):
    for label, floor in (("sentiment", 0.8), ("topic", 0.9)):
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for document in documents[:6000]:
            counts[getattr(document, label)].update(set(document.text.replace(".", "").split()))
        size = len({word for bag in counts.values() for word in bag})
        totals = {name: bag.total() + size for name, bag in counts.items()}

        right = sum(guess(document.text, counts, totals) == getattr(document, label) for document in held)
        assert right > floor * len(held)


def test_held_out_shares_no_document_and_has_templates_of_its_own(documents, held):
    assert not {document.text for document in documents} & {document.text for document in held}
    trained = {sentence.text for sentence in sentences(documents)}
    unseen = [sentence for sentence in sentences(held) if sentence.unseen]
    assert len(unseen) > 500
    assert not any(sentence.text in trained for sentence in unseen)
    assert not any(sentence.unseen for sentence in sentences(documents))
    known = sum(not any(sentence.unseen for sentence in document.sentences) for document in held)
    assert 0.4 < known / len(held) < 0.6
    templates = {template.source for scene in load_grammar().scenes for template in scene.body}
    assert not templates & {template.source for scene in load_grammar().scenes for template in scene.held}


@pytest.mark.parametrize("seed", [0, 11])
def test_the_motto_is_always_held_out(documents, seed):
    first = list(homographs.held_out(seed=seed, count=2))
    assert [homographs.MOTTO[place] in d.text for place, d in enumerate(first)] == [True, True]
    spots = [spot for document in first for sentence in document.sentences for spot in sentence.homographs]
    assert [(spot.word, spot.sense) for spot in spots] == [("눈", "snow"), ("눈", "eye")]
    for document in documents:
        for sentence in document.sentences:
            assert sentence.text.rstrip(".!") not in homographs.MOTTO


def test_the_corpus_is_restartable_and_has_three_parts():
    corpus = homographs.HomographCorpus(seed=3, count=200)
    assert isinstance(corpus, Corpus)
    assert list(corpus) == list(corpus)
    assert len(list(corpus)) == 200
    everything = list(homographs.HomographCorpus(seed=3, count=200, part="all"))
    assert everything[:190] == list(corpus)[:190]
    assert everything[190:] == list(homographs.HomographCorpus(seed=3, count=10, part="held_out"))
    with pytest.raises(RequestError, match="held_out"):
        list(homographs.HomographCorpus(part="test"))


def test_labelled_gives_texts_with_their_labels():
    pairs = homographs.labelled("sentiment", seed=2, count=50)
    assert pairs == [(document.text, document.sentiment) for document in homographs.documents(seed=2, count=50)]
    assert {label for _, label in homographs.labelled(seed=2, count=300)} == set(homographs.topics())
    held = homographs.labelled("topic", seed=2, count=5, part="held_out")
    assert homographs.MOTTO[0] in held[0][0]
    with pytest.raises(RequestError, match="sentiment"):
        homographs.labelled("mood")


def test_sense_examples_are_unseen_and_cover_every_scene_sense(documents):
    trained = {sentence.text for sentence in sentences(documents)}
    examples = homographs.sense_examples(12, seed=4)
    per_sense = Counter((example.word, example.sense) for example in examples)
    assert set(per_sense) == {(scene.word, scene.sense) for scene in load_grammar().scenes}
    assert min(per_sense.values()) == max(per_sense.values()) == 12
    for example in examples:
        assert example.text[example.start : example.end] == example.word
        assert example.sentence in example.text[: example.end + len(example.sentence)]
        assert example.sentence not in trained
    assert len({example.text for example in examples}) == len(examples)
    assert examples == homographs.sense_examples(12, seed=4)


def test_the_motto_is_an_example_of_each_sense() -> None:
    snow, eye = homographs.motto_examples()
    assert [snow.sentence, eye.sentence] == list(homographs.MOTTO)
    assert [snow.sense, eye.sense] == ["snow", "eye"]
    for example in (snow, eye):
        assert example.text[example.start : example.start + len("눈이")] == "눈이"


def test_the_vocabulary_and_the_templates_are_rich(documents):
    endings = sorted([*PARTICLES, "다", "요"], key=len, reverse=True)
    stems = set()
    for sentence in islice(sentences(documents), 40000):
        for word in re.findall(r"[가-힣]+", sentence.text):
            cut = next((ending for ending in endings if word.endswith(ending) and len(word) > len(ending) + 1), "")
            stems.add(word.removesuffix(cut))
    assert len(stems) > 4000
    for scene in load_grammar().scenes:
        lines = [*scene.opening, *scene.body, *scene.held]
        assert len({line.source for line in lines}) >= 8
        assert len(scene.held) == 2
        assert all(len(lines) >= 2 for lines in scene.verdicts.values())


def test_one_word_stands_for_one_slot_all_through_a_document():
    friends = re.compile(r"(지훈이|민서|수진이|현우|서연이|유나|소라|재민이|미나)(?:와|는|가|의|를)(?!\S)")
    several = 0
    for document in homographs.documents(seed=9, count=400):
        names = Counter(friends.findall(" ".join(s.text for s in document.sentences if "이야기" not in s.text)))
        several += len(names) > 1
    assert several < 40


@pytest.mark.parametrize(
    ("plain", "formal", "polite", "informal"),
    [
        ("눈이 내렸다", "눈이 내렸습니다", "눈이 내렸어요", "눈이 내렸어"),
        ("새가 날아온다", "새가 날아옵니다", "새가 날아와요", "새가 날아와"),
        ("나는 물을 먹는다", "저는 물을 먹습니다", "저는 물을 먹어요", "나는 물을 먹어"),
        ("향이 나는 초이다", "향이 나는 초입니다", "향이 나는 초예요", "향이 나는 초야"),
        ("알게 될 것이다", "알게 될 것입니다", "알게 될 거예요", "알게 될 거야"),
        ("물을 주신다", "물을 주십니다", "물을 주세요", "물을 주셔"),
        ("마음이 [놓였다|좋다]", "마음이 [놓였습니다|좋습니다]", "마음이 [놓였어요|좋아요]", "마음이 [놓였어|좋아]"),
    ],
)
def test_speech_levels(plain, formal, polite, informal):
    levels = zip((PLAIN, FORMAL, POLITE, INFORMAL_STYLE), (plain, formal, polite, informal), strict=True)
    for style, expected in levels:
        assert restyle(plain, style) == expected
    with pytest.raises(ValueError, match="ending"):
        restyle("알 수 없는 끝맺다", POLITE)


def test_broken_notation_is_refused():
    with pytest.raises(ValueError, match="cannot read"):
        pieces_of("어제 {사람이 왔다")
    with pytest.raises(ValueError, match="word of its own"):
        pieces_of("@이 왔다")


def test_the_notice_says_that_it_is_synthetic():
    assert "synthetic" in homographs.NOTICE
    assert "지어낸" in notice(homographs.NOTICE, korean=True)
    assert "synthetic" in (homographs.__doc__ or "")
