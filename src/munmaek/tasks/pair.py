"""Which class are two texts of, together? Classification of pairs that are read as one input (Devlin 2018 §4.1)."""

from __future__ import annotations

import dataclasses

from munmaek.tasks import classify

TASK = dataclasses.replace(classify.TASK, name="pair", title="classify pairs of texts", pairs=True)
