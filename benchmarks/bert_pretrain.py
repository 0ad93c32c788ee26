"""Masked language model pre-training on the reviews: ours beside Hugging Face's Trainer, in one run on one machine.

    python benchmarks/bert_pretrain.py --corpus reviews.txt

Both arms train the same architecture from the same initialisation scheme, on the same tokens (one tokenizer, one set
of shards), with the same precision, threads, mask rate, dropout, length limit and average real tokens a step, and
stop after the same number of real tokens. The peer is `Trainer` with `DataCollatorForLanguageModeling` and dynamic
padding as its documentation shows it; `--group-by-length` gives it its own length grouping. Both learn with AdamW at
one rate: what ours does otherwise by default (Muon, a softmax that starts at the frequencies) is no part of it. Every
arm is a process of its own, in turn; printed are medians of real (not padding) tokens a second after the first steps,
and the loss of both on the same held-out reviews under the same masks.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from trainer_arms import LENGTH, held_out_loss, main, speed, train_ours, train_peer

MASK_RATE = 0.15
OPTIONS = {"mask_rate": MASK_RATE, "next_sentence": "off"}
RATE = 1.2e-3
"""Peak rate of AdamW, of both arms: the best known for this size on this corpus."""


def prepared(corpus: str) -> Any:
    """The corpus as a tokenizer and shards."""
    from munmaek.run.prepare import prepare

    return prepare(corpus)


def masked_loss(logits_at: Any, rows: dict[str, Any]) -> tuple[float, int]:
    """Summed loss in nats of the hidden words, the same for both arms, and how many they are."""
    import torch

    chosen = rows["masked_weights"]
    logits = logits_at(rows)[torch.arange(len(chosen))[:, None], rows["masked_positions"]][chosen].float()
    loss = torch.nn.functional.cross_entropy(logits, rows["masked_labels"][chosen], reduction="sum")
    return float(loss), int(chosen.sum())


def ours(args: argparse.Namespace) -> dict[str, float]:
    """Our trainer, with the system's recipe but for the optimiser."""
    ready = prepared(args.corpus)
    model, objective, marks = train_ours(args, "bert", OPTIONS, ready, optimizer="adamw", learning_rate=RATE)
    loss_of = partial(masked_loss, lambda r: model(r["input_ids"], r["attention_mask"]).word_logits)
    return speed(marks) | {"loss": held_out_loss(loss_of, objective, ready.shards.split()[1])}


def peer(args: argparse.Namespace) -> dict[str, float]:
    """Hugging Face's Trainer."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, DataCollatorForLanguageModeling

    from munmaek import systems

    ready, card = prepared(args.corpus), systems.load("bert")
    preset, vocab_size = card.presets[args.size], ready.tokenizer.vocab_size
    torch.manual_seed(args.seed)
    model = BertForMaskedLM(
        BertConfig(vocab_size=vocab_size, hidden_size=preset["dim"], intermediate_size=4 * preset["dim"],
                   num_hidden_layers=preset["num_layers"], num_attention_heads=preset["num_heads"],
                   hidden_dropout_prob=args.dropout, attention_probs_dropout_prob=args.dropout)
    )  # fmt: skip
    collator = partial(DataCollatorForLanguageModeling, mlm_probability=MASK_RATE)
    marks = train_peer(args, "bert", model, ready, collator, RATE, not_counted=0)
    objective = card.objective(card.config(**preset, vocab_size=vocab_size), ready.tokenizer, LENGTH, OPTIONS)
    loss_of = partial(
        masked_loss, lambda r: model(input_ids=r["input_ids"], attention_mask=r["attention_mask"].long()).logits
    )
    return speed(marks) | {"loss": held_out_loss(loss_of, objective, ready.shards.split()[1])}


if __name__ == "__main__":
    main(__file__, (__doc__ or "").partition("\n")[0], prepared, ours, peer)
