"""Does a word mean the same in two sentences? Word in context, fine-tuned (Pilehvar and Camacho-Collados 2019; KB-WiC).

Without training, by vectors and a threshold alone: `run.wic`.
"""

from __future__ import annotations

import dataclasses

from munmaek.tasks import classify

TASK = dataclasses.replace(
    classify.TASK, name="wic", title="tell whether a word means the same in two sentences", pairs=True, marked=True
)
"""Each sentence is read by itself, so every system can answer, those of one direction and of one vector a word, too."""
