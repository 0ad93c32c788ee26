"""The errors a user can meet, and the exit code each one ends in.

Every message says where it happened, what was found, why that is likely, and what to do.
`RequestError` and its children are ValueErrors for the user; invariants of ours are asserts.
"""

from __future__ import annotations

DONE = 0
FAILED = 1
REQUEST_WRONG = 2
INTERRUPTED = 130
TERMINATED = 143


class MunmaekError(Exception):
    """Any failure that is reported in one clear sentence, without a traceback.

    Args:
        what: what was found, one sentence.
        where: a file, `file:line`, a column or an option.
        fix: what the user can do about it.
    """

    exit_code = FAILED

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        found = f"{where}: {what}" if where else what
        if fix:
            found = f"{found.rstrip('.')}. {fix}"
        super().__init__(found)


class RequestError(MunmaekError, ValueError):
    """The request was wrong: an option, a path, a column, a label."""

    exit_code = REQUEST_WRONG


class DataError(RequestError):
    """A corpus or a table that cannot be used as it stands."""


class FormatError(RequestError):
    """A file of a model or of vectors that is not what its name says; `offset` is in bytes where known."""

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, offset: int | None = None
    ) -> None:
        self.offset = offset
        super().__init__(f"{what} (byte {offset})" if offset is not None else what, where=where, fix=fix)


class CheckpointError(FormatError):
    """A model folder or training checkpoint that is incomplete, damaged or of another kind."""


class JobError(MunmaekError):
    """The job started and could not finish: no room, a non-finite loss, a lost process."""


class NonFiniteError(JobError):
    """A loss or gradient norm that is not a number; the step was not taken."""


class Interrupted(MunmaekError):  # noqa: N818 - not an error: the user asked
    """The user or the system asked the job to stop; everything done so far is saved.

    Args:
        signal_number: 2 for Ctrl-C, 15 for SIGTERM.
    """

    def __init__(self, what: str, *, where: str | None = None, signal_number: int = 2) -> None:
        super().__init__(what, where=where, fix="Run the same command again to go on from there.")
        self.exit_code = TERMINATED if signal_number == 15 else INTERRUPTED
