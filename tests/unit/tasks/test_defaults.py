from __future__ import annotations

import numpy as np
import pytest

from munmaek.core.errors import RequestError
from munmaek.tasks.defaults import known_settings, settings_for, steps_of


@pytest.mark.parametrize("labels", [8, 100, 1_000, 10_000, 150_000])
def test_there_are_enough_steps_and_not_too_many_passes(labels: int) -> None:
    settings = settings_for(labels, 256)
    assert settings.epochs >= 3
    assert steps_of(settings, labels) >= 150 or labels < 100
    assert steps_of(settings, labels) <= 10_000


def test_more_labels_mean_fewer_epochs_and_larger_batches() -> None:
    found = [settings_for(labels, 256) for labels in (100, 1_000, 10_000, 150_000)]
    epochs, rows = [s.epochs for s in found], [s.batch_rows for s in found]
    assert epochs == sorted(epochs, reverse=True)
    assert rows == sorted(rows)


def test_a_base_model_gets_a_published_rate_and_a_mini_a_larger_one() -> None:
    for labels in (100, 10_000, 150_000):
        assert 2e-5 <= settings_for(labels, 768).learning_rate <= 7e-5
        assert settings_for(labels, 256).learning_rate >= 1e-4
        assert settings_for(labels, 128).learning_rate == settings_for(labels, 256).learning_rate


def test_the_recipe_has_the_settings() -> None:
    recipe = settings_for(100, 256).recipe(64)
    assert (recipe.learning_rate, recipe.max_length, recipe.optimizer) == (3e-4, 64, "adamw")
    assert recipe.rate(1.0) == 0.0


def test_word_vectors_stay_as_they_are_with_few_labels_and_learn_with_many() -> None:
    few, many = settings_for(100, 100, static=True), settings_for(150_000, 100, static=True)
    assert (few.frozen, many.frozen) == (True, False)
    assert few.learning_rate * few.head_rate == pytest.approx(0.03)
    assert many.learning_rate > settings_for(150_000, 100).learning_rate


def test_changes_are_settings_and_can_be() -> None:
    changes = {"epochs": np.int64(3), "learning_rate": np.float64(0.001), "apart": None, "pooling": "max"}
    found = known_settings(changes, "--set")
    assert found == {"epochs": 3, "learning_rate": 0.001, "pooling": "max"}
    assert [type(value) for value in found.values()] == [int, float, str]
    for name, value in (("epoch", 1), ("apart", "no"), ("epochs", 0), ("optimizer", "sgd"), ("fresh_layers", 1.5)):
        with pytest.raises(RequestError, match=f"^--tune: .*{name}"):
            known_settings({name: value}, "--tune")


def test_every_default_is_one_that_could_be_asked() -> None:
    for count in (10, 1_000, 10_000, 100_000):
        for given in ({}, {"static": True}, {"probed": True}, {"marked": True}):
            settings = vars(settings_for(count, 256, **given))
            assert known_settings(settings, "--set") == settings
