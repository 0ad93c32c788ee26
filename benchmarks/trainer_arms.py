"""What the pre-training benchmarks share: ours beside Hugging Face's Trainer, each arm a process of its own."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

WARM_STEPS = 4
LENGTH = 128
HELD_OUT_BATCHES = 5
Marks = list[tuple[float, int]]
Arm = Callable[[argparse.Namespace], dict[str, float]]


def precision() -> str:
    """What both arms multiply in: bf16 where the processor has instructions for it."""
    import torch

    from munmaek.train.distributed import pick_precision

    return pick_precision("auto", torch.device("cpu"))


def reviews() -> str:
    """The unlabelled reviews of NSMC in the data folder."""
    from munmaek.data.datasets import find, find_file

    found = find_file(find("nsmc"), "reviews.txt")
    if found is None:
        raise SystemExit("no reviews.txt in the data folder: give --corpus FILE")
    return str(found)


def train_ours(
    args: argparse.Namespace, name: str, options: dict[str, Any], ready: Any, *, started: bool = False, **changes: Any
) -> tuple[Any, Any, Marks]:
    """Our trainer with the system's recipe, but for `changes`; the model, its objective, (seconds, tokens) by step.

    `started`: the softmax starts at the words' frequencies, as in `pretrain`; for peers that start with our weights.
    """
    import torch

    from munmaek import systems
    from munmaek.core.recipe import Budget
    from munmaek.train.trainer import Job, train

    card = systems.load(name)
    torch.manual_seed(args.seed)
    model = card.build(card.config(**card.presets[args.size], vocab_size=ready.tokenizer.vocab_size))
    objective = card.objective(model.config, ready.tokenizer, LENGTH, options)
    if started:
        objective.start_softmax(model, ready.shards.split()[0])
    recipe = replace(card.recipes[args.size], precision=precision(), dropout=args.dropout, **changes)
    marks: Marks = []
    train(Job(model, objective, ready.shards.split()[0], recipe, Budget(tokens=args.tokens), args.seed, device="cpu",
              progress=lambda event: marks.append((time.monotonic(), event.tokens))))  # fmt: skip
    return model, objective, marks


class Reviews(Sequence[dict[str, list[int]]]):
    """The training reviews as examples of Hugging Face's: start, at most 126 tokens, end."""

    def __init__(self, ready: Any) -> None:
        self.shards = ready.shards.split()[0]
        self.start, self.end = ready.tokenizer.token_id("cls"), ready.tokenizer.token_id("sep")

    def __len__(self) -> int:
        return len(self.shards.documents)

    def __getitem__(self, row: Any) -> Any:
        place, offsets = self.shards.documents[row], self.shards.sentence_offsets
        text = self.shards.ids[offsets[place] : offsets[place + 1]][: LENGTH - 2].tolist()
        return {"input_ids": [self.start, *text, self.end]}


def train_peer(
    args: argparse.Namespace, name: str, model: Any, ready: Any, collator: Any, rate: float, not_counted: int
) -> Marks:
    """Hugging Face's Trainer on as many real tokens a step as our recipe has; (seconds, tokens) after each step.

    `collator`: their tokenizer -> their collator. `not_counted`: tokens of a row that no loss or input of ours has.
    """
    import torch
    from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments

    from munmaek import systems

    recipe, rows = systems.load(name).recipes[args.size], Reviews(ready)
    collate, seen = collator(
        PreTrainedTokenizerFast(
            tokenizer_object=ready.tokenizer.backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
            sep_token="[SEP]", mask_token="[MASK]",
        )
    ), [0]  # fmt: skip

    def counted(examples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        seen[0] += sum(len(example["input_ids"]) - not_counted for example in examples)
        return collate(examples)

    marks: Marks = []

    class Mark(TrainerCallback):
        def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
            marks.append((time.monotonic(), seen[0]))

    looked_at = min(2000, len(rows))
    mean = sum(len(rows[row]["input_ids"]) - not_counted for row in range(looked_at)) / looked_at
    in_a_step = round(recipe.batch_tokens / mean)
    steps = max(WARM_STEPS + 2, round(args.tokens / (in_a_step * mean)))
    grouping = {"train_sampling_strategy": "group_by_length"} if args.group_by_length else {}
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(dir=args.scratch), max_steps=steps, per_device_train_batch_size=in_a_step,
        learning_rate=rate, lr_scheduler_type="linear", warmup_steps=round(recipe.warmup * steps),
        weight_decay=recipe.weight_decay, adam_beta2=recipe.beta_2, adam_epsilon=recipe.epsilon,
        max_grad_norm=recipe.clip, bf16=precision() == "bf16", use_cpu=True, logging_strategy="no",
        save_strategy="no", report_to=[], seed=args.seed, disable_tqdm=True, **grouping,
    )  # fmt: skip
    Trainer(model=model, args=arguments, train_dataset=rows, data_collator=counted, callbacks=[Mark()]).train()
    model.eval()
    return marks


def held_out_loss(loss_of: Callable[[dict[str, Any]], tuple[float, int]], objective: Any, shards: Any) -> float:
    """Mean loss in nats over held-out reviews; `loss_of` gives a batch's summed loss and number of targets."""
    import torch

    total = count = 0.0
    batches = objective.batches(shards, seed=1, batch_tokens=4096)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision() == "bf16"):
        for _ in range(HELD_OUT_BATCHES):
            nats, targets = loss_of({name: torch.from_numpy(array) for name, array in next(batches).arrays.items()})
            total, count = total + nats, count + targets
    return total / count


def speed(marks: Marks) -> dict[str, float]:
    """Real tokens a second after the first steps, and all tokens."""
    (start, before), (end, after) = marks[WARM_STEPS - 1], marks[-1]
    return {"tokens_per_second": (after - before) / (end - start), "tokens": after, "steps": len(marks)}


def run_arm(script: str, name: str, args: argparse.Namespace, seed: int) -> dict[str, float]:
    """One arm in a process of its own."""
    command = [sys.executable, script, "--corpus", args.corpus, "--size", args.size, "--tokens", str(args.tokens),
               "--dropout", str(args.dropout), "--seed", str(seed), "--arm", name, "--scratch", args.scratch,
               *["--group-by-length"] * args.group_by_length]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().rsplit("\n", 1)[-1])


def main(
    script: str,
    title: str,
    prepare: Callable[[str], Any],
    ours: Arm,
    peer: Arm,
    name_of_peer: str = "transformers Trainer",
) -> None:
    """Run both arms in turn and print the table."""
    parser = argparse.ArgumentParser(description=title)
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
    prepare(args.corpus)
    results: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for number in range(args.runs):
        for name in results:
            results[name].append(run_arm(script, name, args, args.seed + number))
            found = results[name][-1]
            print(f"{name}: {found['tokens_per_second']:,.0f} tokens/s, loss {found['loss']:.3f}", file=sys.stderr)
    print(f"{'':24}{'real tokens/s':>16}{'held-out loss':>16}{'tokens':>12}")
    titles = {"ours": "munmaek", "peer": name_of_peer + (", grouped" if args.group_by_length else "")}
    for name, rows in results.items():
        medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        print(
            f"{titles[name]:24}{medians['tokens_per_second']:>16,.0f}{medians['loss']:>16.3f}{medians['tokens']:>12,.0f}"
        )
    ratios = sorted(a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(*results.values(), strict=True))
    middle = statistics.median(ratios)
    print(f"ratio, median of {len(ratios)} pairs: {middle:.1f}x ({ratios[0]:.1f} to {ratios[-1]:.1f})")
