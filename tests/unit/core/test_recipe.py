"""Budgets are read, rates have the published shape, and plans stay monotone however often they are respread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munmaek.core.errors import RequestError
from munmaek.core.recipe import Budget, Plan, Recipe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", Budget(seconds=3600)),
        ("90m", Budget(seconds=5400)),
        ("1h30m", Budget(seconds=5400)),
        ("45s", Budget(seconds=45)),
        ("10min", Budget(seconds=600)),
        ("50M tokens", Budget(tokens=50_000_000)),
        ("2.5Mtok", Budget(tokens=2_500_000)),
        ("3 epochs", Budget(epochs=3)),
        ("0.5 epoch", Budget(epochs=0.5)),
        ("1,000 steps", Budget(steps=1000)),
    ],
)
def test_budgets(text: str, expected: Budget) -> None:
    assert Budget.parse(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "1", "-1h", "0s", "0 epochs", "1h of fun", "10 parsecs"])
def test_unreadable_budgets_say_what_to_write(text: str) -> None:
    with pytest.raises(RequestError, match="--budget"):
        Budget.parse(text)


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_the_rate_starts_and_ends_at_zero(decay: str) -> None:
    recipe = Recipe(learning_rate=2.0, warmup=0.1, decay=decay)
    assert recipe.rate(0.0) == 0.0
    assert recipe.rate(0.05) == pytest.approx(1.0)
    assert recipe.rate(0.1) == pytest.approx(2.0)
    assert recipe.rate(0.55) == pytest.approx(1.0)
    assert recipe.rate(1.0) == pytest.approx(0.0)


def test_a_constant_rate_stays() -> None:
    assert Recipe(learning_rate=2.0, warmup=0.0, decay="constant").rate(1.0) == 2.0


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.floats(0.0, 0.99), st.floats(0.3, 3.0)), max_size=5),
)
def test_plans_rise_from_0_to_1(total: int, changes: list[tuple[float, float]]) -> None:
    plan = Plan.of(total)
    now = 0
    for share, factor in changes:
        now = max(now, int(plan.total_steps * share))
        if now >= plan.total_steps:
            break
        before = plan.progress(now)
        plan.replan(now, now + max(1, int((plan.total_steps - now) * factor)))
        assert plan.progress(now) == pytest.approx(before)
    values = [plan.progress(step) for step in range(0, plan.total_steps + 1, max(1, plan.total_steps // 200))]
    assert values == sorted(values)
    assert plan.progress(0) == 0.0
    assert plan.progress(plan.total_steps) == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", "fast"),
        ("learning_rate", -1.0),
        ("learning_rate", float("nan")),
        ("batch_tokens", 0),
        ("batch_tokens", 1.5),
        ("warmup", 1.5),
        ("decay", "sudden"),
        ("precision", "fp8"),
        ("optimizer", True),
    ],
)
def test_wrong_settings_are_named(name: str, value: object) -> None:
    with pytest.raises(RequestError, match=name):
        Recipe(**{name: value})  # type: ignore[arg-type]


def test_whole_numbers_serve_as_numbers() -> None:
    assert Recipe(learning_rate=1, warmup=0, dropout=0).rate(0.5) == 0.5
