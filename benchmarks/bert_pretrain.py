"""Masked language model pre-training on the reviews: ours beside Hugging Face's Trainer, in one run on one machine.

    python benchmarks/bert_pretrain.py --corpus reviews.txt

Both arms train the same architecture from the same initialisation scheme, on the same tokens (one tokenizer, one
set of shards), with the same precision, threads, mask rate, dropout, length limit and average real tokens a step, and
stop after the same number of real tokens. The peer is `Trainer` with `DataCollatorForLanguageModeling` and dynamic
padding as its documentation shows it; `--group-by-length` gives it its own length grouping. Ours runs its default
recipe. Every arm is a process of its own, in turn; printed are medians of real (not padding) tokens a second after the
first steps, and the loss of both on the same held-out reviews under the same masks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import Any

WARM_STEPS = 4
MASK_RATE = 0.15
PEER_RATE = 1.2e-3
"""Peak rate of the peer's AdamW: the best known for this size on this corpus."""


def reviews() -> str:
    """The unlabelled reviews of NSMC in the data folder."""
    from munmaek.data.datasets import find, find_file

    found = find_file(find("nsmc"), "reviews.txt")
    if found is None:
        raise SystemExit("no reviews.txt in the data folder: give --corpus FILE")
    return str(found)


def prepared(corpus: str) -> Any:
    """The corpus as a tokenizer and shards."""
    from munmaek.run.prepare import prepare

    return prepare(corpus)


def held_out_loss(logits_at: Any, objective: Any, shards: Any) -> float:
    """Mean loss in nats over held-out reviews, the same words hidden for both arms."""
    import torch

    total = count = 0.0
    batches = objective.batches(shards, seed=1, batch_tokens=4096)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for _ in range(20):
            rows = {name: torch.from_numpy(array) for name, array in next(batches).arrays.items()}
            chosen = rows["masked_weights"]
            logits = logits_at(rows)[torch.arange(len(chosen))[:, None], rows["masked_positions"]][chosen].float()
            total += float(torch.nn.functional.cross_entropy(logits, rows["masked_labels"][chosen], reduction="sum"))
            count += int(chosen.sum())
    return total / count


def ours(args: argparse.Namespace) -> dict[str, float]:
    """Our trainer, with the system's default recipe."""
    import torch

    from munmaek import systems
    from munmaek.core.recipe import Budget
    from munmaek.train.trainer import Job, train

    ready = prepared(args.corpus)
    training, held = ready.shards.split()
    card = systems.load("bert")
    torch.manual_seed(args.seed)
    model = card.build(card.config(**card.presets[args.size], vocab_size=ready.tokenizer.vocab_size))
    objective = card.objective(model.config, ready.tokenizer, 128, {"mask_rate": MASK_RATE, "next_sentence": "off"})
    recipe = replace(card.recipes[args.size], precision="bf16", dropout=args.dropout)
    marks: list[tuple[float, int]] = []
    train(Job(model, objective, training, recipe, Budget(tokens=args.tokens), args.seed, device="cpu",
              progress=lambda event: marks.append((time.monotonic(), event.tokens))))  # fmt: skip
    loss = held_out_loss(lambda r: model(r["input_ids"], r["attention_mask"]).word_logits, objective, held)
    return speed(marks) | {"loss": loss}


def peer(args: argparse.Namespace) -> dict[str, float]:
    """Hugging Face's Trainer."""
    import torch
    from transformers import (
        BertConfig,
        BertForMaskedLM,
        DataCollatorForLanguageModeling,
        PreTrainedTokenizerFast,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from munmaek import systems

    ready = prepared(args.corpus)
    training, held = ready.shards.split()
    card = systems.load("bert")
    recipe, preset = card.recipes[args.size], card.presets[args.size]
    cls, sep = ready.tokenizer.token_id("cls"), ready.tokenizer.token_id("sep")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=ready.tokenizer.backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip
    offsets, ids = training.sentence_offsets, training.ids

    class Reviews(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(training.documents)

        def __getitem__(self, row: int) -> dict[str, list[int]]:
            place = training.documents[row]
            text = ids[offsets[place] : offsets[place + 1]][:126].tolist()
            return {"input_ids": [cls, *text, sep]}

    torch.manual_seed(args.seed)
    model = BertForMaskedLM(
        BertConfig(vocab_size=ready.tokenizer.vocab_size, hidden_size=preset["dim"],
                   intermediate_size=4 * preset["dim"], num_hidden_layers=preset["num_layers"],
                   num_attention_heads=preset["num_heads"],
                   hidden_dropout_prob=args.dropout, attention_probs_dropout_prob=args.dropout)
    )  # fmt: skip
    mean = sum(len(Reviews()[row]["input_ids"]) for row in range(2000)) / 2000
    rows = round(recipe.batch_tokens / mean)
    collate, seen = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASK_RATE), [0]

    def counted(examples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        seen[0] += sum(len(example["input_ids"]) for example in examples)
        return collate(examples)

    marks: list[tuple[float, int]] = []

    class Marks(TrainerCallback):
        def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
            marks.append((time.monotonic(), seen[0]))

    steps = max(WARM_STEPS + 2, round(args.tokens / (rows * mean)))
    grouping = {"train_sampling_strategy": "group_by_length"} if args.group_by_length else {}
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(dir=args.scratch), max_steps=steps, per_device_train_batch_size=rows,
        learning_rate=PEER_RATE, lr_scheduler_type="linear", warmup_steps=round(recipe.warmup * steps),
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.beta_2, adam_epsilon=recipe.epsilon, max_grad_norm=recipe.clip, bf16=True, use_cpu=True,
        logging_strategy="no", save_strategy="no", report_to=[], seed=args.seed, disable_tqdm=True, **grouping,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=Reviews(), data_collator=counted, callbacks=[Marks()])
    trainer.train()
    objective = card.objective(
        card.config(**preset, vocab_size=ready.tokenizer.vocab_size), ready.tokenizer, 128,
        {"mask_rate": MASK_RATE, "next_sentence": "off"},
    )  # fmt: skip
    model.eval()
    loss = held_out_loss(
        lambda r: model(input_ids=r["input_ids"], attention_mask=r["attention_mask"].long()).logits, objective, held
    )
    return speed(marks) | {"loss": loss}


def speed(marks: list[tuple[float, int]]) -> dict[str, float]:
    """Real tokens a second after the first steps, and all tokens."""
    (start, before), (end, after) = marks[WARM_STEPS - 1], marks[-1]
    return {"tokens_per_second": (after - before) / (end - start), "tokens": after, "steps": len(marks)}


def run_arm(name: str, args: argparse.Namespace, seed: int) -> dict[str, float]:
    """One arm in a process of its own."""
    command = [sys.executable, __file__, "--corpus", args.corpus, "--size", args.size, "--tokens", str(args.tokens),
               "--dropout", str(args.dropout), "--seed", str(seed), "--arm", name, "--scratch", args.scratch,
               *["--group-by-length"] * args.group_by_length]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().rsplit("\n", 1)[-1])


def main() -> None:
    """Run both arms in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--corpus", help="text, one review a line (default: the reviews of NSMC in MUNMAEK_DATA)")
    parser.add_argument("--size", default="mini")
    parser.add_argument("--tokens", type=int, default=150_000, help="real tokens an arm trains on")
    parser.add_argument("--dropout", type=float, default=0.0, help="in both arms")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--group-by-length", action="store_true", help="give the peer its length grouping")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arm", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--scratch", default=tempfile.gettempdir(), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps({"ours": ours, "peer": peer}[args.arm](args)))
        return
    args.corpus = args.corpus or reviews()
    prepared(args.corpus)
    results: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for number in range(args.runs):
        for name in results:
            results[name].append(run_arm(name, args, args.seed + number))
            found = results[name][-1]
            print(f"{name}: {found['tokens_per_second']:,.0f} tokens/s, loss {found['loss']:.3f}", file=sys.stderr)
    print(f"{'':24}{'real tokens/s':>16}{'held-out loss':>16}{'tokens':>12}")
    titles = {"ours": "munmaek", "peer": "transformers Trainer" + (", grouped" if args.group_by_length else "")}
    for name, rows in results.items():
        medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        print(
            f"{titles[name]:24}{medians['tokens_per_second']:>16,.0f}{medians['loss']:>16.3f}{medians['tokens']:>12,.0f}"
        )
    ratios = sorted(a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(*results.values(), strict=True))
    middle = statistics.median(ratios)
    print(f"ratio, median of {len(ratios)} pairs: {middle:.1f}x ({ratios[0]:.1f} to {ratios[-1]:.1f})")


if __name__ == "__main__":
    main()
