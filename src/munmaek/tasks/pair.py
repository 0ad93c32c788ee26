"""Which class are two texts of, together? Pairs are read as one input (Devlin 2018 §4.1), or apart as a system asks."""

from __future__ import annotations

import dataclasses

from munmaek.tasks import classify

TASK = dataclasses.replace(classify.TASK, name="pair", title="classify pairs of texts", pairs=True)
