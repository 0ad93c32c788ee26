"""Pre-training of ELMo on the reviews: ours beside the same model in stock PyTorch, in one run on one machine.

    python benchmarks/elmo_pretrain.py --corpus reviews.txt

Both arms train the same architecture from the same initial weights, on the same batches of reviews, with AdamW, the
same schedule, precision, threads and clipping of gradients, and stop after the same number of real tokens. The peer is
written as the documentation of PyTorch suggests: every word's 50 characters through `nn.Conv1d`, one `torch.nn.LSTM`
with `proj_size` a layer and direction over packed sequences (it has no limits for cells and states), reversed rows for
the backward direction, and `nn.Linear` with `cross_entropy` over the whole vocabulary. A real token is a word that both
directions read; padding is not counted. Every arm is a process of its own, in turn; printed are medians of real tokens
a second after the first steps, and the loss of both, full softmax, on the same held-out reviews.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

from trainer_arms import LENGTH, held_out_loss, main, precision, speed, train_ours

OPTIMIZER: dict[str, Any] = {"optimizer": "adamw", "learning_rate": 4e-3}
"""Of both arms: plain loops have it."""


def prepared(corpus: str) -> Any:
    """The corpus as words and shards."""
    from munmaek import systems
    from munmaek.run.prepare import prepare

    return prepare(corpus, tokenizer="word", vocab_size=systems.load("elmo").vocab_size)


def loss_with(model: Any, objective: Any) -> Any:
    """A batch's summed loss of both directions in nats, and its targets."""

    def found(rows: dict[str, Any]) -> tuple[float, int]:
        parts = objective.loss(model.eval(), rows)
        return float(sum(parts.sums.values())), sum(parts.counts.values())

    return found


def ours(args: argparse.Namespace) -> dict[str, float]:
    """Our trainer, with the system's recipe but for the optimiser."""
    ready = prepared(args.corpus)
    model, objective, marks = train_ours(args, "elmo", {}, ready, started=True, **OPTIMIZER)
    return speed(marks) | {"loss": held_out_loss(loss_with(model, objective), objective, ready.shards.split()[1])}


def plain_model(config: Any, ours: Any) -> Any:
    """The same model in stock modules, with our initial weights."""
    import torch
    from torch import nn

    def stock_layer(layer: Any, direction: int) -> nn.LSTM:
        made = nn.LSTM(config.dim, config.cells, proj_size=config.projected, batch_first=True)
        order = torch.cat([torch.arange(config.cells) + gate * config.cells for gate in (0, 1, 3, 2)])
        with torch.no_grad():
            made.weight_ih_l0.copy_(layer.weight_input[direction][order])
            made.weight_hh_l0.copy_(layer.weight_state[direction][order])
            if layer.projection is not None:
                made.weight_hr_l0.copy_(layer.projection[direction])
            made.bias_ih_l0.copy_(layer.biases[direction][order])
            made.bias_hh_l0.zero_()
            made.bias_hh_l0[config.cells : 2 * config.cells] = layer.forget_bias
        return made

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            words = ours.elmo.words
            self.symbols, self.convolutions = words.symbols, words.convolutions
            self.highways, self.projection = words.highways, words.projection
            self.sides = nn.ModuleList(
                nn.ModuleList(stock_layer(layer, direction) for layer in ours.elmo.layers) for direction in range(2)
            )
            self.output = nn.Linear(config.dim, config.vocab_size)
            with torch.no_grad():
                self.output.weight.copy_(ours.softmax_weight)
                self.output.bias.copy_(ours.softmax_bias)

        def tokens(self, characters: torch.Tensor) -> torch.Tensor:
            batch, seq, room = characters.shape
            vectors = self.symbols(characters.view(-1, room)).transpose(1, 2)
            found = torch.relu(torch.cat([c(vectors).max(2).values for c in self.convolutions], 1))
            for highway in self.highways:
                gate = torch.sigmoid(highway.gate(found))
                found = gate * torch.relu(highway.transform(found)) + (1 - gate) * found
            return self.projection(found).view(batch, seq, -1)

        def forward(self, characters: list[torch.Tensor], lengths: torch.Tensor) -> list[torch.Tensor]:
            scores = []
            for direction, given in enumerate(characters):
                states = self.tokens(given)
                for place, layer in enumerate(self.sides[direction]):  # type: ignore[arg-type]
                    packed = nn.utils.rnn.pack_padded_sequence(states, lengths, batch_first=True, enforce_sorted=False)
                    read, _ = nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
                    states = states + read if place else read
                scores.append(self.output(states))
            return scores

    return Plain()


def peer(args: argparse.Namespace) -> dict[str, float]:
    """The same model in stock PyTorch with a plain training loop."""
    import torch

    from munmaek import systems
    from munmaek.core.recipe import Plan

    ready, card = prepared(args.corpus), systems.load("elmo")
    training, held = ready.shards.split()
    torch.manual_seed(args.seed)
    config = card.config(**card.presets[args.size], vocab_size=ready.tokenizer.vocab_size)
    started = card.build(config)
    objective = card.objective(config, ready.tokenizer, LENGTH, {})
    objective.start_softmax(started, training)
    model = plain_model(config, started)
    recipe = replace(card.recipes[args.size], precision=precision(), dropout=args.dropout, **OPTIMIZER)
    table = torch.from_numpy(objective.speller.table.astype("int64"))
    optimizer = torch.optim.AdamW(model.parameters(), betas=(recipe.beta_1, recipe.beta_2), eps=recipe.epsilon,
                                  weight_decay=recipe.weight_decay)  # fmt: skip

    def losses(rows: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
        scores = model([table[rows["input_ids"]], table[rows["backward_ids"]]], rows["lengths"])
        total, count = torch.zeros(()), 0
        for side, name in zip(scores, ("forward_labels", "backward_labels"), strict=True):
            wanted = rows[name]
            total = total + torch.nn.functional.cross_entropy(
                side.flatten(0, 1).float(), wanted.flatten(), ignore_index=-1, reduction="sum"
            )
            count += int((wanted >= 0).sum())
        return total, count

    batches = objective.batches(training, seed=args.seed, batch_tokens=recipe.batch_tokens)
    mean = sum(next(batches).num_tokens for _ in range(16)) / 16
    plan = Plan.of(round(args.tokens / mean))
    batches = objective.batches(training, seed=args.seed, batch_tokens=recipe.batch_tokens)
    marks: list[tuple[float, int]] = []
    seen = 0
    for step in range(plan.total_steps):
        batch = next(batches)
        optimizer.param_groups[0]["lr"] = recipe.rate((plan.progress(step) + plan.progress(step + 1)) / 2)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision() == "bf16"):
            total, count = losses({name: torch.from_numpy(array) for name, array in batch.arrays.items()})
        (2 * total / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        seen += batch.num_tokens
        marks.append((time.monotonic(), seen))
    model.eval()
    loss = held_out_loss(lambda rows: tuple(map(float, losses(rows))), objective, held)  # type: ignore[arg-type]
    return speed(marks) | {"loss": loss}


if __name__ == "__main__":
    main(__file__, (__doc__ or "").partition("\n")[0], prepared, ours, peer, "stock PyTorch")
