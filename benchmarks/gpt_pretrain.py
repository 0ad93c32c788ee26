"""Next-token pre-training of GPT-1 on the reviews: ours beside Hugging Face's Trainer, in one run on one machine.

    python benchmarks/gpt_pretrain.py --corpus reviews.txt

Both arms train the same architecture from the same initialisation scheme, on the same reviews (one tokenizer, one set
of shards), with the same precision, threads, dropout, length limit and average real tokens a step, and stop after the
same number of real tokens. A real token is one that is predicted: padding and each review's first token are not
counted. The peer is `Trainer` with `OpenAIGPTLMHeadModel` and the default collator of language models with dynamic
padding; `--group-by-length` gives it its own length grouping. Ours runs its default recipe. Every arm is a process of
its own, in turn; printed are medians of real tokens a second after the first steps, and the loss of both on the same
held-out reviews.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from trainer_arms import LENGTH, held_out_loss, main, speed, train_ours, train_peer

PEER_RATE = 1.2e-3
"""Peak rate of the peer's AdamW: that of the BERT of this size."""


def prepared(corpus: str) -> Any:
    """The corpus as a byte-pair tokenizer and shards."""
    from munmaek.run.prepare import prepare

    return prepare(corpus, tokenizer="bpe")


def next_word_loss(logits_at: Any, rows: dict[str, Any]) -> tuple[float, int]:
    """Summed loss in nats of the next tokens, and how many they are."""
    import torch

    chosen = rows["attention_mask"]
    logits = logits_at(rows)[chosen].float()
    return float(torch.nn.functional.cross_entropy(logits, rows["labels"][chosen], reduction="sum")), int(chosen.sum())


def ours(args: argparse.Namespace) -> dict[str, float]:
    """Our trainer, with the system's default recipe."""
    ready = prepared(args.corpus)
    model, objective, marks = train_ours(args, "gpt", {}, ready)
    loss_of = partial(next_word_loss, lambda r: model(r["input_ids"], r["attention_mask"]).logits)
    return speed(marks) | {"loss": held_out_loss(loss_of, objective, ready.shards.split()[1])}


def peer(args: argparse.Namespace) -> dict[str, float]:
    """Hugging Face's Trainer."""
    import torch
    from transformers import DataCollatorForLanguageModeling, OpenAIGPTConfig, OpenAIGPTLMHeadModel

    from munmaek import systems

    ready, card = prepared(args.corpus), systems.load("gpt")
    preset, vocab_size = card.presets[args.size], ready.tokenizer.vocab_size
    torch.manual_seed(args.seed)
    model = OpenAIGPTLMHeadModel(
        OpenAIGPTConfig(vocab_size=vocab_size, n_embd=preset["dim"], n_layer=preset["num_layers"],
                        n_head=preset["num_heads"], n_positions=512, resid_pdrop=args.dropout,
                        embd_pdrop=args.dropout, attn_pdrop=args.dropout)
    )  # fmt: skip
    collator = partial(DataCollatorForLanguageModeling, mlm=False)
    marks = train_peer(args, "gpt", model, ready, collator, PEER_RATE, not_counted=1)
    objective = card.objective(card.config(**preset, vocab_size=vocab_size), ready.tokenizer, LENGTH, {})
    loss_of = partial(
        next_word_loss, lambda r: model(input_ids=r["input_ids"], attention_mask=r["attention_mask"].long()).logits
    )
    return speed(marks) | {"loss": held_out_loss(loss_of, objective, ready.shards.split()[1])}


if __name__ == "__main__":
    main(__file__, (__doc__ or "").partition("\n")[0], prepared, ours, peer)
