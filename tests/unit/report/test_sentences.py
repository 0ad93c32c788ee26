"""A win is said where it is decided, and only there."""

from __future__ import annotations

import dataclasses

import pytest
from planted_comparison import cards, planted

from munmaek.report.ranking import labels_for_next_point, verdict, verdicts
from munmaek.report.sentences import next_point, sentences
from munmaek.run.comparison import Arm, Comparison, Contrast, Standing


def two(difference: float, low: float, high: float, best: str = "bert") -> Comparison:
    """BERT and a second arm with 100 labels."""
    standings = [Standing(best, 100, 100, 3, 0.8, 0.78, 0.82), Standing("gpt", 100, 100, 3, 0.8 - difference, 0.7, 0.8)]
    return planted(standings=standings, contrasts=[Contrast("gpt", best, 100, -difference, -high, -low)], rows=[])


def test_a_decided_win_is_said() -> None:
    text = " ".join(sentences(two(0.05, 0.01, 0.09), False))
    assert "100 labels: use BERT. It wins" in text
    assert "Its lead of 5.0 points (1.0 to 9.0) over GPT, the next, is decided." in text
    assert "not told apart" not in text
    korean = " ".join(sentences(two(0.05, 0.01, 0.09), True))
    assert "이깁니다" in korean
    assert "구별되지" not in korean


def test_a_bound_near_nothing_is_not_shown_as_nothing() -> None:
    text = " ".join(sentences(two(0.004, 0.0001, 0.008), False))
    assert "Its lead of 0.4 points (0.01 to 0.8) over GPT, the next, is decided." in text
    undecided = " ".join(sentences(two(0.004, -0.0001, 0.008), True))
    assert "(−0.01 ~ 0.8)" in undecided
    assert "판가름 났" not in undecided


@pytest.mark.parametrize(("low", "high"), [(-0.01, 0.11), (0.0, 0.1), (float("nan"), float("nan"))])
def test_an_undecided_one_is_not(low: float, high: float) -> None:
    text = " ".join(sentences(two(0.05, low, high), False))
    assert "wins" not in text
    assert "is decided" not in text
    assert "not told apart from GPT" in text
    korean = " ".join(sentences(two(0.05, low, high), True))
    assert "이깁니다" not in korean
    assert "판가름 났" not in korean
    assert "구별되지 않습니다" in korean


def test_two_arms_that_were_not_paired_are_not_told_apart() -> None:
    bare = dataclasses.replace(two(0.05, 0.01, 0.09), contrasts=[])
    assert "not told apart from GPT (the next): the two were not paired" in " ".join(sentences(bare, False))


def test_a_third_arm_may_take_the_win_away() -> None:
    comparison = two(0.05, 0.01, 0.09)
    third = Standing("elmo", 100, 100, 3, 0.7, 0.5, 0.9)
    wide = Contrast("bert", "elmo", 100, 0.1, -0.1, 0.3)
    changed = dataclasses.replace(
        comparison, standings=[*comparison.standings, third], contrasts=[*comparison.contrasts, wide]
    )
    found = verdict(changed, 100)
    assert found is not None
    assert found.tied == ["elmo"]
    assert not found.won
    assert "wins" not in " ".join(sentences(changed, False))
    assert "Not told apart from it either: ELMo." in " ".join(sentences(changed, False))


def test_among_equals_the_cheapest_is_advised_and_chance_stops_advice() -> None:
    advice = sentences(planted(), False)
    assert advice[0].startswith("30 labels: use TF-IDF, the cheapest")
    assert "wins" not in advice[0]
    assert "chance" not in advice[0]
    blind = sentences(planted(margin=0.5), False)
    assert blind[0].endswith("nothing here is told apart from chance. More labels are needed.")


def test_what_is_advised_says_its_cost_before_the_highest() -> None:
    cheap = [dataclasses.replace(card, seconds=60.0) if card.system == "gpt" else card for card in cards()]
    lines = sentences(planted(margin=0.06, models=cheap), False)
    assert any(line.endswith("all 8,000 labels: use GPT, the cheapest of those not told apart from the highest score.")
               for line in lines)  # fmt: skip
    assert [line.split(":")[0] for line in lines[-3:]] == ["Cost of GPT", "Cost of BERT", "Cost of TF-IDF"]


def test_the_next_point_lies_on_the_curve() -> None:
    curve = [Standing("bert", 100, 100, 3, 0.6, 0.5, 0.7), Standing("bert", 1_000, 1_000, 3, 0.62, 0.5, 0.7),
             Standing("bert", None, 10_000, 3, 0.62, 0.5, 0.7)]  # fmt: skip
    comparison = planted(standings=curve, contrasts=[], rows=[])
    (start, more), (later, none) = labels_for_next_point(comparison, "bert")
    assert (start.num_labels, later.num_labels, none) == (100, 1_000, None)
    assert more == pytest.approx(100 * 10**0.5 - 100)
    (line,) = next_point(comparison, verdicts(comparison)[-1], False)
    assert "from 100, about 216 more; from 1,000, not reached" in line


def test_a_network_from_scratch_stands_beside_its_own_system() -> None:
    lines = [line for line in sentences(planted(), False) if "same network from scratch" in line]
    assert len(lines) == 1
    assert "pre-training changes BERT by" in lines[0]
    assert not any("from scratch; that is decided" in line for line in sentences(planted(margin=0.2), False))


def test_nothing_was_scored() -> None:
    assert sentences(planted(standings=[], contrasts=[], arms=[Arm("bert", "bert", "BERT")]), False) == []
