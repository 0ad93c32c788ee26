"""export: a model folder as the files of another tool that are not its own files already."""

from __future__ import annotations

from pathlib import Path

from munmaek.core.errors import RequestError
from munmaek.run import folder as model_folder


def export_model(form: str, model: str | Path, *, out: str | Path) -> list[Path]:
    """Write a model as another tool's files into a new or empty folder; returns their paths.

    Raises:
        RequestError: the model's system has no such format, or `out` is in use. CheckpointError: see `folder.read`.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("is in use", where=f"--out {out}", fix="Name a new folder; nothing was touched.")
    loaded = model_folder.read(model)
    exports = loaded.system.exports
    if form not in exports:
        known = ", ".join(exports) or f"none; {model} itself holds the usual files of {loaded.system.title}"
        raise RequestError(f"{loaded.system.title} has no format {form!r}", where="export", fix=f"Formats: {known}.")
    out.mkdir(parents=True, exist_ok=True)
    exports[form](loaded.module, loaded.tokenizer, out)
    return sorted(path for path in out.iterdir() if path.is_file())
