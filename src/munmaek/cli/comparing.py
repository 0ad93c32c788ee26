"""The verbs that the tool is for: tour and compare, and report, which shows what was found."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from munmaek.cli import options
from munmaek.cli.corpora import corpus_of
from munmaek.cli.declare import argument, option
from munmaek.cli.found import line, show, show_page
from munmaek.cli.language import chosen
from munmaek.cli.output import note
from munmaek.cli.progress import TrainingProgress
from munmaek.cli.training import read_settings
from munmaek.core.errors import RequestError

if TYPE_CHECKING:
    from munmaek.run.known_data import KnownData
    from munmaek.run.request import Told

DataSet = Annotated[
    str | None,
    option(
        "--data",
        "In place of --corpus and --train: built-in, nsmc, sentineg, boolq, copa, korsts, klue-nli, wic, klue-ner.",
        "--corpus와 --train 대신 이름으로 아는 데이터.",
        metavar="NAME",
    ),
]  # fmt: skip
OwnCorpus = Annotated[
    list[str] | None,
    option(
        "--corpus -c", "Your text to pre-train on: files, folders or globs; repeat it.", "사전 학습할 글. 여러 번.",
        metavar="PATH",
    ),
]  # fmt: skip
OwnTrain = Annotated[Path | None, option("--train", "Labelled rows to learn from.", "라벨 자료.", metavar="FILE")]
OwnTest = Annotated[
    Path | None,
    option(
        "--test", "Labelled rows to score on; else a fifth of --train.", "채점할 자료. 없으면 --train의 5분의 1.",
        metavar="FILE",
    ),
]  # fmt: skip
Systems = Annotated[
    str | None,
    option(
        "--systems", "Which to pre-train, separated by commas; else all, or with --trained none.",
        "사전 학습할 시스템들, 쉼표로. 없으면 모두, --trained가 있으면 없음.", metavar="all|NAME,NAME",
    ),
]  # fmt: skip
TrainedModels = Annotated[
    list[Path] | None,
    option(
        "--trained", "A model that is trained already, of this tool or imported; repeat it.",
        "이미 학습한 모델. 이 도구의 것이나 가져온 것. 여러 번.", metavar="DIR",
    ),
]  # fmt: skip
Labels = Annotated[
    str | None,
    option(
        "--labels", "Numbers of labels, by commas; else 100,1000,10000,all up to what there is, with --layers 1000.",
        "라벨 수, 쉼표로. 없으면 100,1000,10000,all 가운데 행이 있는 만큼, --layers에서는 1000.", metavar="N,N,all",
    ),
]  # fmt: skip
Learnt = Annotated[
    str | None,
    option(
        "--task", "What is learnt; else what --data asks, classify, or with --layers tag.",
        "무엇을 배울지. 없으면 --data가 묻는 것이나 classify, --layers에서는 tag.",
        metavar="classify|pair|regress|choice|tag|span|wic",
    ),
]  # fmt: skip
Models = Annotated[
    Path | None,
    option(
        "--models", "Where the models are kept, for several comparisons; else in --out.",
        "모델을 두는 곳. 여러 비교가 함께 씁니다. 없으면 --out 안.", metavar="DIR",
    ),
]  # fmt: skip
Layers = Annotated[
    bool,
    option(
        "--layers", "In place of the walk over labels: which layers' vectors to take, for tagging and for senses.",
        "라벨 수를 바꾸는 대신, 어느 층의 벡터가 개체 태그와 뜻 구별에 나은지 봅니다.",
    ),
]  # fmt: skip
LookedAt = Annotated[
    str, option("--word", "A word to look at in context.", "문맥 속에서 볼 낱말.", metavar="WORD", shown=True)
]
Sentence = Annotated[
    list[str] | None,
    option("--sentence", "A sentence with --word; give two.", "--word가 든 문장. 둘을 줍니다.", metavar="TEXT"),
]
Floors = Annotated[
    bool, option("--floors/--no-floors", "Also chance and TF-IDF.", "찍기와 TF-IDF도.", shown=True)
]  # fmt: skip
AtWords = Annotated[
    bool,
    option(
        "--words",
        "ELMo, ULMFiT, GPT and BERT start at word vectors, learnt in a tenth of their budget.",
        "ELMo, ULMFiT, GPT, BERT는 예산의 10분의 1로 배운 낱말 벡터에서 시작합니다.",
    ),
]
Tuning = Annotated[
    list[str] | None,
    option(
        "--tune", "A setting of every fine-tuning, as finetune --set takes it: apart=true; repeat it.",
        "모든 미세 조정의 값. finetune --set과 같습니다. 예: apart=true. 여러 번.", metavar="NAME=VALUE",
    ),
]  # fmt: skip
TourData = Annotated[
    str, option("--data", "The built-in corpus, or film reviews.", "데이터.", metavar="built-in|nsmc", shown=True)
]
TourBudget = Annotated[
    str | None,
    option("--budget", "Of each system; 20s, of nsmc 10m.", "시스템마다. 없으면 20s, nsmc는 10m.", metavar="BUDGET"),
]
TourSize = Annotated[str | None, option("--size", "tiny, of nsmc mini.", "없으면 tiny, nsmc는 mini.", metavar="SIZE")]
BothKinds = Annotated[
    str | None,
    option(
        "--tokenizer", "One kind for all; else what suits each.", "모두에 같은 종류. 없으면 저마다.", metavar="KIND"
    ),
]

Folder = Annotated[
    Path,
    argument("DIR", "The folder of a comparison; the page goes there.", "비교한 폴더. 보고서도 여기에 씁니다."),
]


def compare(
    out: options.OutFolder = Path("comparison"),
    data: DataSet = None,
    corpus: OwnCorpus = None,
    train: OwnTrain = None,
    test: OwnTest = None,
    systems: Systems = None,
    trained: TrainedModels = None,
    budget: options.Budget = "10m",
    size: options.Size = "mini",
    labels: Labels = None,
    seeds: options.Seeds = 5,
    seeds_all: options.SeedsAll = 3,
    task: Learnt = None,
    layers: Layers = False,
    text_column: options.TextColumn = None,
    pair_column: options.PairColumn = None,
    label_column: options.LabelColumn = None,
    scratch: options.Scratch = True,
    floors: Floors = True,
    word: LookedAt = "눈",
    sentence: Sentence = None,
    tokenizer: BothKinds = None,
    vocab_size: options.SystemVocabSize = None,
    max_length: options.MaxLength = None,
    models: Models = None,
    words: AtWords = False,
    settings: options.Settings = None,
    tune: Tuning = None,
    seed: options.Seed = 0,
    cache: options.Cache = None,
    device: options.Device = "auto",
    as_json: options.Json = False,
) -> None:
    """Compare systems; run.compare does the work, with --layers run.layers."""
    texts = _sentences(word, sentence)
    named = (text_column, pair_column, label_column)
    if layers:
        _check_study(task, data if train is None else None, named, tune, trained)
    known = _data(data, corpus, train, test, models or out, seed, text=systems is not None or not trained)
    columns = [mine or own for mine, own in zip(named, known.columns, strict=True)]
    given: dict[str, Any] = {
        "out": out, "corpus": known.corpus, "train": known.train, "test": known.test, "budget": budget, "size": size,
        "seeds": seeds, "models": models,
        "systems": _systems(systems), "seeds_all": seeds_all, "max_length": max_length,
        "seed": seed, "device": device, "command": _command(),
        "pretraining": {"tokenizer": tokenizer, "vocab_size": vocab_size, "cache": cache,
                        "settings": read_settings(settings or []), **({"words": "auto"} if words else {})},
    }  # fmt: skip
    if labels is not None:
        given["labels"] = [_label_count(text.strip()) for text in labels.split(",")]
    with TrainingProgress() as progress:
        given["told"] = _told(progress)
        if layers:
            from munmaek.run.layers import layers as study

            found = study(**given)
        else:
            from munmaek.run.compare import compare as run

            found = run(
                **given, trained=trained or (), scratch=scratch, floors=floors, task=task or known.task, word=word,
                sentences=texts, tuning=read_settings(tune or [], "--tune"),
                text_column=columns[0], pair_column=columns[1], label_column=columns[2],
            )  # fmt: skip
    show(found, out, as_json, layers)


def tour(
    out: options.OutFolder = options.DEMO,
    data: TourData = "built-in",
    budget: TourBudget = None,
    size: TourSize = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Compare all systems on a known data set; run.tour does the work."""
    from munmaek.run.tour import tour as run

    with TrainingProgress() as progress:
        found = run(out, data=data, budget=budget, size=size, seed=seed, command=_command(), told=_told(progress))
    show(found, out, as_json)


def _told(progress: TrainingProgress) -> Told:
    """What is said on the way."""
    from munmaek.report.wording import notice
    from munmaek.run.request import Told

    korean = chosen() == "ko"

    def row(row: Any, metric: str) -> None:
        progress.close()
        note(line(row, metric))

    return Told(progress, lambda text: note(notice(text, korean)), row, progress.under_way)


def report(folder: Folder) -> None:
    """Write the page of a comparison; report.page does the work."""
    from munmaek.run import comparison

    show_page(comparison.read(folder), folder)


def _sentences(word: str, sentence: list[str] | None) -> tuple[str, ...]:
    from munmaek.data.homographs import MOTTO, MOTTO_WORD

    texts = tuple(sentence or (MOTTO if word == MOTTO_WORD else ()))
    for text in texts:
        if word not in text:
            raise RequestError(f"no {word!r} in {text!r}", where="--sentence", fix="Give sentences with the word.")
    return texts


def _systems(asked: str | None) -> Sequence[str]:
    """The systems to pre-train by name; none where nothing is said of them."""
    if asked != "all":
        return asked.split(",") if asked else ()
    from munmaek.systems import names

    return names()


def _label_count(text: str) -> int | None:
    """A number of labels, None for all; RequestError for anything else."""
    count = text.replace(",", "")
    if count == "all":
        return None
    if not count.isdigit() or not int(count):
        raise RequestError(
            "not a number of labels", where=f"--labels {text}", fix="Write a number such as 1000, or all."
        )
    return int(count)


def _data(
    data: str | None, corpus: list[str] | None, train: Path | None, test: Path | None, out: Path, seed: int,
    *, text: bool,
) -> KnownData:  # fmt: skip
    """The text, the rows to learn from, and those to score on; what is given by itself goes before a data set's own.

    Args:
        text: whether anything is pre-trained.
    """
    from munmaek.run.known_data import KnownData, known_data

    known = known_data(data, out, seed, text=text and not corpus) if data else None
    own = corpus_of(corpus) if corpus else known.corpus if known else None
    if (text and own is None) or (known is None and train is None):
        raise RequestError(
            "there is nothing to compare on", where="munmaek compare",
            fix="Give --corpus your.txt --train your.tsv, or --data built-in.",
        )  # fmt: skip
    if train is not None:
        return KnownData(own, train, test)
    assert known is not None
    return replace(known, corpus=own, test=test or known.test)


def _check_study(
    task: str | None, data: str | None, columns: Sequence[str | None], tune: list[str] | None,
    trained: list[Path] | None,
) -> None:  # fmt: skip
    """RequestError where --layers is asked of something else than files of tags, or of models that it did not train."""
    if trained:
        raise RequestError("--layers trains its systems", where="--trained", fix="Leave it out, or leave out --layers.")
    if task not in (None, "tag"):
        raise RequestError(f"--layers with the task {task}", where="--task", fix="Leave --task out: it is tag.")
    if data not in (None, "klue-ner"):
        fix = "Give --train with a file of tags, or --data klue-ner."
        raise RequestError(f"the rows of {data} have no tags", where="--layers", fix=fix)
    if tune:
        fix = "Leave it out: the systems stay as they are, and every way has the same tagger."
        raise RequestError("--layers fine-tunes nothing", where="--tune", fix=fix)
    if any(columns):
        fix = "Leave the column options out: --layers reads files of tags, a unit and its tag a line."
        raise RequestError("a file of tags has no columns", where="--layers", fix=fix)


def _command() -> str:
    """The command as it was given, to be given again."""
    return shlex.join(["munmaek", *sys.argv[1:]])
