"""The command line: verbs, parsing, progress, results and exit codes. Each verb calls one function of `run`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

from munmaek.core.errors import DONE, FAILED, INTERRUPTED, REQUEST_WRONG, Interrupted, MunmaekError, RequestError

# an option for every verb, wherever it stands: the environment variable it sets for one command
_COMMON = {"--lang": "MUNMAEK_LANG", "--data-dir": "MUNMAEK_DATA"}
_LANGUAGES = ("en", "ko")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong request, 130 interrupted, 143 terminated."""
    debug, before, handler = False, dict(os.environ), signal.getsignal(signal.SIGTERM)
    try:
        arguments, debug = _common_options(list(sys.argv[1:] if argv is None else argv))
        signal.signal(signal.SIGTERM, _terminated)
        return _run(arguments or ["--help"], debug)
    except MunmaekError as error:
        return _report(error, debug)
    except BrokenPipeError:  # the reader of our output has left: `munmaek embed ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except Exception as error:
        if debug:
            raise
        _complain(f"{type(error).__name__}: {str(error) or 'no message'}".replace("\n", " "))
        print("This is a fault of munmaek, not yours; run again with --debug to see where.", file=sys.stderr)
        return FAILED
    finally:
        signal.signal(signal.SIGTERM, handler)
        for name in _COMMON.values():
            os.environ.pop(name, None)
            os.environ.update({name: before[name]} if name in before else {})


def _run(arguments: list[str], debug: bool) -> int:
    from typer.exceptions import TyperException

    from munmaek.cli.app import app

    try:
        code = app(arguments, prog_name="munmaek", standalone_mode=False)
    except TyperException as error:
        if debug:
            raise
        _complain(error.format_message())
        verb = next((word for word in arguments if not word.startswith("-")), "")
        print(f"See: munmaek {verb} --help".replace("  ", " "), file=sys.stderr)
        return REQUEST_WRONG
    except SystemExit as error:  # how typer ends where the reader of our output has left
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        raise
    if code == INTERRUPTED:
        _complain("stopped by Ctrl-C")
    sys.stdout.flush()
    return code if isinstance(code, int) else DONE


def _common_options(arguments: list[str]) -> tuple[list[str], bool]:
    """Take --debug, --lang and --data-dir out of the arguments (up to a bare --); the last two become environment."""
    kept: list[str] = []
    debug = False
    while arguments:
        word = arguments.pop(0)
        name, given, value = word.partition("=")
        if word == "--":
            return [*kept, word, *arguments], debug
        if word == "--debug":
            debug = True
        elif name in _COMMON:
            if not given:
                value = arguments.pop(0) if arguments else ""
            if not value or (name == "--lang" and value not in _LANGUAGES):
                raise _no_value(name, value)
            os.environ[_COMMON[name]] = value
        else:
            kept.append(word)
    return kept, debug


def _no_value(name: str, value: str) -> RequestError:
    known = "--lang en or --lang ko" if name == "--lang" else "--data-dir FOLDER"
    return RequestError(f"no value {value!r}" if value else "the value is missing", where=name, fix=f"Write {known}.")


def _report(error: MunmaekError, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    _complain(str(error))
    return error.exit_code


def _complain(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted("stopped by SIGTERM", signal_number=number)
