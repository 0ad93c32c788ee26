"""Every argument and option of the verbs, spelled once; help in both languages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from munmaek import systems
from munmaek.cli.declare import argument as _argument
from munmaek.cli.declare import option as _option

# ---- what is worked on ----------------------------------------------------------------------------------------------

_SYSTEMS = ", ".join(systems.names())
System = Annotated[str, _argument("SYSTEM", f"What to train: {_SYSTEMS}.", f"학습할 시스템: {_SYSTEMS}.")]
Task = Annotated[str, _argument("classify|pair|regress|choice|tag|span|wic", "What is learnt.", "무엇을 배울지.")]
DataSets = Annotated[
    list[str] | None,
    _argument(
        "[NAME]...", "nsmc, kobest, korsts ...; without a name, the list.", "nsmc, kobest, korsts ... 없으면 목록."
    ),
]
DataFolder = Annotated[
    Path | None,
    _option(
        "--into --out -o",
        "The data folder to fill (--data-dir or MUNMAEK_DATA, else ./data).",
        "채울 데이터 폴더(--data-dir나 MUNMAEK_DATA, 없으면 ./data).",
        metavar="DIR",
    ),
]
Source = Annotated[
    Path | None,
    _option(
        "--from",
        "Copy from this folder, which holds the data set, without a network.",
        "네트워크 없이, 데이터가 든 이 폴더에서 복사합니다.",
        metavar="DIR",
    ),
]
Paths = Annotated[
    list[str], _argument("PATH...", "Files, folders or globs; or built-in.", "파일, 폴더, 패턴. 또는 built-in.")
]
Texts = Annotated[
    list[str] | None,
    _argument(
        "[TEXT]...",
        "Texts; without any, one a line from --file or standard input.",
        "글. 없으면 --file이나 표준 입력에서 한 줄에 하나씩 읽습니다.",
    ),
]
Sentences = Annotated[
    list[str] | None,
    _argument(
        "[FIRST SECOND]",
        "Two texts; without them, two tab-separated ones a line from standard input.",
        "두 글. 없으면 표준 입력에서 한 줄에 탭으로 나뉜 둘씩 읽습니다.",
    ),
]
ModelFolder = Annotated[
    Path,
    _option(
        "--model -m",
        "The model folder: the --out of a training or an import.",
        "모델 폴더: 학습이나 import의 --out.",
        metavar="RUN",
    ),
]
ModelFolders = Annotated[
    list[Path],
    _option("--model -m", "The model folder: the --out of a training; repeat it to average the answers of several.",
            "모델 폴더: 학습의 --out. 여러 번 쓰면 답을 평균합니다.", metavar="RUN"),
]  # fmt: skip
Corpus = Annotated[
    list[str],
    _option(
        "--corpus -c",
        "Files, folders or globs of text, or built-in for the built-in corpus; repeat it for several.",
        "글이 든 파일, 폴더, 패턴. 내장 말뭉치는 built-in. 여러 번 쓸 수 있습니다.",
        metavar="PATH",
    ),
]
Train = Annotated[
    Path,
    _option(
        "--train",
        "Labelled rows: .tsv, .csv, .jsonl or .parquet; for tag a unit and its BIO tag a line, for span SQuAD's JSON.",
        "라벨이 있는 자료: .tsv, .csv, .jsonl, .parquet. tag는 한 줄에 단위와 BIO 태그, span은 SQuAD의 JSON.",
        metavar="FILE",
    ),
]
Dev = Annotated[
    Path | None,
    _option(
        "--dev",
        "Rows that choose the best checkpoint.",
        "가장 좋은 시점을 고를 자료.",
        metavar="FILE",
    ),
]
Data = Annotated[
    list[Path],
    _option(
        "--data -d",
        "Labelled rows to score on; for lm text, for intrinsic word pairs or analogies (several files with these).",
        "채점할, 라벨이 있는 자료. lm은 글, intrinsic은 낱말 쌍이나 유추 파일(이 둘은 여럿도 됩니다).",
        metavar="FILE",
    ),
]
File = Annotated[
    Path | None,
    _option(
        "--file -f",
        "Read the texts from this file: one a line, or .tsv, .csv, .jsonl, .parquet.",
        "글을 읽을 파일: 한 줄에 하나, 또는 .tsv, .csv, .jsonl, .parquet.",
        metavar="PATH",
    ),
]
TextColumn = Annotated[
    str | None,
    _option(
        "--text-column",
        "The column with the text; found by itself where it has a usual name.",
        "글이 든 열. 흔한 이름이면 알아서 찾습니다.",
        metavar="NAME",
    ),
]
PairColumn = Annotated[
    str | None,
    _option(
        "--pair-column",
        "The column with the second text of a pair; of a choice, those of its alternatives: A,B.",
        "둘째 글이 든 열. choice에서는 보기가 든 열들: A,B.",
        metavar="NAME",
    ),
]
LabelColumn = Annotated[
    str | None,
    _option("--label-column", "The column with the label or score.", "라벨이나 점수가 든 열.", metavar="NAME"),
]
SplitSentences = Annotated[
    bool,
    _option(
        "--split-sentences",
        "Cut each document of one long line into sentences.",
        "한 줄로 된 긴 문서를 문장으로 나눕니다.",
    ),
]

# ---- where results go -----------------------------------------------------------------------------------------------

Run = Annotated[Path, _option("--out -o", "The model folder to write.", "모델을 쓸 폴더.", metavar="RUN")]
OutFile = Annotated[Path | None, _option("--out -o", "Write to this file.", "결과를 쓸 파일.", metavar="FILE")]
DEMO = Path("demo")
OutFolder = Annotated[Path, _option("--out -o", "The folder to write.", "결과를 쓸 폴더.", metavar="DIR", shown=True)]
JsonLines = Annotated[
    bool, _option("--json", "Write JSON lines in place of a table.", "표 대신 JSON을 한 줄에 하나씩 씁니다.")
]
Json = Annotated[bool, _option("--json", "Print the result as JSON.", "결과를 JSON으로 출력합니다.")]

# ---- how models are made --------------------------------------------------------------------------------------------

Size = Annotated[
    str,
    _option(
        "--size",
        "tiny, mini, small, medium or base.",
        "tiny, mini, small, medium, base 중 하나.",
        shown=True,
        metavar="SIZE",
    ),
]
Budget = Annotated[
    str,
    _option(
        "--budget",
        "How much: 1h, 90m, 50M tokens, 3 epochs or 1000 steps; the learning rate ends exactly there.",
        "학습량: 1h, 90m, 50M tokens, 3 epochs, 1000 steps. 학습률이 꼭 거기서 끝납니다.",
        shown=True,
        metavar="BUDGET",
    ),
]
_TOKENIZER = (
    "A kind (wordpiece, bpe, unigram, syllable, jamo, morpheme, word, eojeol, morpheme-word) or a tokenizer's folder.",
    "학습할 종류(wordpiece, bpe, unigram, syllable, jamo, morpheme, word, eojeol, morpheme-word)나 토크나이저 폴더.",
)
Tokenizer = Annotated[str, _option("--tokenizer", *_TOKENIZER, metavar="KIND|FOLDER", shown=True)]
SystemTokenizer = Annotated[
    str | None,
    _option(
        "--tokenizer",
        _TOKENIZER[0][:-1] + "; by default what suits the system.",
        _TOKENIZER[1][:-1] + ". 없으면 시스템에 맞는 것.",
        metavar="KIND|FOLDER",
    ),
]
KnownTokenizer = Annotated[
    str | None,
    _option(
        "--tokenizer",
        "Also say how this tokenizer reads the text: a folder with a tokenizer.json, or a model folder.",
        "이 토크나이저로 글이 어떻게 나뉘는지도 봅니다: tokenizer.json이 있는 폴더.",
        metavar="FOLDER",
    ),
]
VocabSize = Annotated[
    int,
    _option("--vocab-size", "Entries of a trained vocabulary.", "학습할 어휘의 크기.", shown=True, min=8, metavar="N"),
]
SystemVocabSize = Annotated[
    int | None,
    _option(
        "--vocab-size",
        "Entries of a trained vocabulary; by default what suits the system.",
        "학습할 어휘의 크기. 없으면 시스템에 맞는 크기.",
        min=8,
        metavar="N",
    ),
]
_RARE = (
    "Rarer ones get no entry (eojeol, morpheme-word 5, else 3).",
    "더 드문 것은 뺍니다(eojeol, morpheme-word 5, 나머지 3).",
)
MinCount = Annotated[int | None, _option("--min-count", *_RARE, min=1, metavar="N")]
_MEMORY = ("Memory that counting may take (ngram, glove): 2GB, 500MB.", "세는 데 쓸 메모리(ngram, glove): 2GB, 500MB.")
Memory = Annotated[str | None, _option("--memory", *_MEMORY, metavar="AMOUNT")]
Settings = Annotated[
    list[str] | None,
    _option(
        "--set",
        "A value of the recipe, the objective or the model, as learning_rate=5e-4; repeat it for several.",
        "레시피, 목적 함수, 모델의 값. 예: learning_rate=5e-4. 여러 번 쓸 수 있습니다.",
        metavar="NAME=VALUE",
    ),
]
Init = Annotated[
    Path | None,
    _option(
        "--init",
        "A model folder to go on from, with its tokenizer.",
        "이어서 학습할 모델 폴더. 토크나이저도 그대로 씁니다.",
        metavar="RUN",
    ),
]
Tensorboard = Annotated[
    bool, _option("--tensorboard", "Write curves to RUN/tensorboard.", "RUN/tensorboard에 곡선을 씁니다.")
]
Cache = Annotated[
    Path | None,
    _option(
        "--cache",
        "Where prepared corpora are kept (MUNMAEK_CACHE, else ~/.cache/munmaek).",
        "준비한 말뭉치를 두는 곳(MUNMAEK_CACHE, 없으면 ~/.cache/munmaek).",
        metavar="DIR",
    ),
]
Device = Annotated[
    str,
    _option(
        "--device",
        "Where to compute; auto takes a GPU where there is one.",
        "계산할 장치. auto는 GPU가 있으면 씁니다.",
        metavar="auto|cpu|cuda",
        shown=True,
    ),
]
Seed = Annotated[int, _option("--seed", "Where randomness starts.", "난수의 씨앗.", shown=True, min=0, metavar="N")]
Seeds = Annotated[
    int,
    _option(
        "--seeds",
        "Train so many times, each with a seed of its own; the mean and its interval are shown.",
        "씨앗을 바꾸어 되풀이할 횟수. 평균과 구간을 보입니다.",
        shown=True,
        min=1,
        metavar="N",
    ),
]
Labels = Annotated[
    int | None,
    _option(
        "--labels",
        "Use only N rows of --train, drawn by the seed.",
        "--train에서 뽑은 N줄만 씁니다.",
        metavar="N",
        min=1,
    ),
]
Epochs = Annotated[
    float | None,
    _option(
        "--epochs",
        "Passes over the rows; more by default where there are few.",
        "반복 횟수. 라벨이 적을수록 기본값이 큽니다.",
        metavar="N",
    ),
]
LearningRate = Annotated[float | None, _option("--learning-rate", "Peak rate.", "가장 높은 학습률.", metavar="RATE")]
MaxLength = Annotated[
    int | None, _option("--max-length", "Longest input, in tokens.", "가장 긴 입력(토큰).", min=8, metavar="N")
]
FromScratch = Annotated[
    bool,
    _option(
        "--from-scratch",
        "The same network without its pre-training, to compare with.",
        "사전 학습 없이 같은 신경망으로. 비교할 때 씁니다.",
    ),
]

SeedsAll = Annotated[
    int, _option("--seeds-all", "The same for all labels.", "모든 라벨을 쓸 때의 횟수.", metavar="N", shown=True, min=1)
]
Scratch = Annotated[
    bool, _option("--scratch/--no-scratch", "Also without pre-training.", "사전 학습 없는 열도.", shown=True)
]

# ---- how models are asked -------------------------------------------------------------------------------------------

Pooling = Annotated[
    str,
    _option(
        "--pooling",
        "How token vectors become one.",
        "토큰 벡터를 하나로 합치는 방법.",
        metavar="mean|first|last|max",
        shown=True,
    ),
]
TaskPooling = Annotated[
    str | None,
    _option(
        "--pooling",
        "How token vectors become one.",
        "토큰 벡터를 하나로 합치는 방법.",
        metavar="mean|first|last|max|pooler",
    ),
]
Normalise = Annotated[
    bool, _option("--normalise", "Make every vector of length 1.", "모든 벡터의 길이를 1로 맞춥니다.")
]
Top = Annotated[int, _option("--top", "How many answers.", "보일 답의 수.", shown=True, min=1, metavar="N")]
Word = Annotated[
    str | None,
    _option(
        "--word",
        "Compare this word in both texts, layer by layer.",
        "두 글에 든 이 낱말을 층마다 견줍니다.",
        metavar="WORD",
    ),
]
SecondWord = Annotated[
    str | None,
    _option(
        "--second-word", "The word in the second text, where it differs.", "둘째 글의 낱말(다를 때).", metavar="WORD"
    ),
]
Format = Annotated[
    str,
    _argument(
        "FORMAT",
        "hf (Hugging Face), elmo (bilm-tf), fastai, openai-gpt, vectors or glove (word vectors), arpa.",
        "hf(허깅페이스), elmo(bilm-tf), fastai, openai-gpt, vectors나 glove(낱말 벡터), arpa.",
    ),
]
ForeignFolder = Annotated[Path, _argument("PATH", "The folder or file to read.", "읽을 폴더나 파일.")]
