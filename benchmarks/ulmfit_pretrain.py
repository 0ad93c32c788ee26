"""Language-model training on the reviews: ours beside the same model written the obvious way, in one run.

    python benchmarks/ulmfit_pretrain.py --corpus reviews.txt

The peer is torch's own LSTM (`nn.LSTM`, one a layer, weight drop by setting the dropped matrix), embeddings, a tied
linear layer and `cross_entropy` over the whole vocabulary, in float32 or, with `--peer-precision bf16`, under autocast.
Both arms have the same tokenizer, shards, batches, initial weights, dropouts, regularisers, AdamW, schedule and
threads, and stop after the same number of tokens; ours trains on a sampled softmax where its size has one (mini does).
Every arm is a process of its own, in turn; printed are medians of tokens a second after the first steps, and the loss
of both on the same held-out reviews, over the whole vocabulary.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

from trainer_arms import WARM_STEPS, precision, reviews


def obvious(model: Any) -> Any:
    """The same model as a user of torch would write it, with the weights of `model`."""
    import torch
    from torch import nn
    from torch.nn import functional

    config = model.config

    def in_torchs_order(rows: torch.Tensor) -> torch.Tensor:
        enter, forget, leave, new = rows.detach().chunk(4)
        return torch.cat([enter, forget, new, leave])

    class Obvious(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = config
            self.words = nn.Embedding(config.vocab_size, config.dim)
            self.lstms = nn.ModuleList(nn.LSTM(*size, batch_first=True) for size in config.sizes())
            self.decoder = nn.Linear(config.dim, config.vocab_size)
            self.decoder.weight = self.words.weight
            with torch.no_grad():
                self.words.weight.copy_(model.encoder.words.weight)
                self.decoder.bias.copy_(model.word_bias)
                for lstm, layer in zip(self.lstms, model.encoder.layers, strict=True):
                    lstm.weight_ih_l0.copy_(in_torchs_order(layer.weight_input))
                    lstm.weight_hh_l0.copy_(in_torchs_order(layer.weight_state))
                    lstm.bias_ih_l0.copy_(in_torchs_order(layer.bias_input))
                    lstm.bias_hh_l0.copy_(in_torchs_order(layer.bias_state))

        def locked(self, states: torch.Tensor, name: str) -> torch.Tensor:
            mask = functional.dropout(torch.ones_like(states[:, :1]), config.rate(name), self.training)
            return states * mask

        def forward(self, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> Any:
            kept = functional.dropout(torch.ones(config.vocab_size, 1), config.rate("embedding"), self.training)
            states = self.locked(functional.embedding(ids, self.words.weight * kept), "input")
            for place, lstm in enumerate(self.lstms):
                weight = functional.dropout(lstm.weight_hh_l0, config.rate("weight"), self.training)
                names = {n: p for n, p in lstm.named_parameters() if n != "weight_hh_l0"}
                states = torch.func.functional_call(lstm, names | {"weight_hh_l0": weight}, (states,))[0]
                if place + 1 < len(self.lstms):
                    states = self.locked(states, "hidden")
            dropped = self.locked(states, "output")
            logits = self.decoder(dropped)
            loss = functional.cross_entropy(
                logits.flatten(0, 1), labels.masked_fill(~mask, -100).flatten(), reduction="sum"
            )
            hits = (logits.argmax(2) == labels)[mask].sum() if not self.training else None
            return type("Output", (), {"loss": loss, "hits": hits, "dropped": dropped.transpose(0, 1),
                                       "states": states.transpose(0, 1)})  # fmt: skip

    return Obvious()


def arm(args: argparse.Namespace) -> dict[str, float]:
    """One training; both arms go through the same loop and objective."""
    import torch

    from munmaek import systems
    from munmaek.core.recipe import Budget
    from munmaek.run.prepare import prepare
    from munmaek.train.trainer import Job, measure, train

    torch.set_num_threads(args.threads)
    card = systems.load("ulmfit")
    ready = prepare(args.corpus, tokenizer=card.tokenizer, vocab_size=args.vocab_size)
    training, held = ready.shards.split()
    torch.manual_seed(args.seed)
    shape = {**card.presets[args.size], "dropout_factor": args.dropout_factor}
    model = card.build(card.config(**shape, vocab_size=ready.tokenizer.vocab_size))
    objective = card.objective(model.config, ready.tokenizer, 128, {"rows": "documents"})
    objective.start_softmax(model, training)
    kind = precision() if args.arm == "ours" else args.peer_precision
    if args.arm == "peer":
        model = obvious(model)
    recipe = replace(card.recipes[args.size], precision=kind, dropout=-1.0, optimizer="adamw", learning_rate=4e-3)
    marks: list[tuple[float, int]] = []
    train(Job(model, objective, training, recipe, Budget(tokens=args.tokens), args.seed, device="cpu",
              progress=lambda event: marks.append((time.monotonic(), event.tokens))))  # fmt: skip
    held_out = measure(model, objective, held, seed=1, batch_tokens=4096, most_targets=80_000)
    steps = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in zip(marks[WARM_STEPS:], marks[WARM_STEPS + 1 :], strict=False)
    ]
    return {"tokens_per_second": statistics.median(steps), "loss": held_out["lm_loss"]}


def main() -> None:
    """Run the arms in turn, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=None, help="text, one review a line")
    parser.add_argument("--size", default="mini")
    parser.add_argument("--vocab-size", type=int, default=16_000)
    parser.add_argument("--tokens", type=int, default=300_000, help="of each arm")
    parser.add_argument("--dropout-factor", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer-precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--arm", choices=["ours", "peer"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.corpus = args.corpus or reviews()
    if args.arm:
        print("RESULT " + json.dumps(arm(args)))
        return
    results: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for _ in range(args.repeats):
        for name, found in results.items():
            done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--arm", name], capture_output=True,
                                  text=True, check=False)  # fmt: skip
            if done.returncode:
                raise SystemExit(done.stderr)
            line = next(line for line in done.stdout.split("\n") if line.startswith("RESULT "))
            found.append(json.loads(line.removeprefix("RESULT ")))
            print(f"{name}: {found[-1]['tokens_per_second']:,.0f} tokens/s, loss {found[-1]['loss']:.4f}", flush=True)
    medians = {n: statistics.median(r["tokens_per_second"] for r in found) for n, found in results.items()}
    losses = {name: statistics.median(r["loss"] for r in found) for name, found in results.items()}
    print(f"\n{args.size}, {args.threads} threads, {args.tokens:,} tokens, medians of {args.repeats}")
    print(f"ours ({precision()})               {medians['ours']:>8,.0f} tokens/s, held-out loss {losses['ours']:.4f}")
    print(f"torch.nn.LSTM ({args.peer_precision})      {medians['peer']:>8,.0f} tokens/s, "
          f"held-out loss {losses['peer']:.4f}")  # fmt: skip
    print(f"ratio                     {medians['ours'] / medians['peer']:.2f}")


if __name__ == "__main__":
    main()
