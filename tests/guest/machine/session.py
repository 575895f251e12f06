"""A session's folder under build/guest, and the run of cases in it."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .lab import Failure, Lab, Standstill
from .paths import CACHE, Unavailable

Case = Callable[[Lab], None]
SESSION_LIMIT_S = 1200  # no case starts later; one takes at most a few minutes more


@dataclass(frozen=True)
class Result:
    name: str
    problem: str | None
    seconds: float


@contextmanager
def session_folder(keep: bool) -> Iterator[Path]:
    """A folder for each session. What an earlier session left is removed, unless it runs."""
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.glob("session-*"):
        with (old / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(old)
    folder = CACHE / f"session-{os.getpid()}"
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
        if not keep:
            shutil.rmtree(folder)


def run_case(name: str, case: Case, lab: Lab) -> Result:
    started = time.monotonic()
    problem = None
    try:
        try:
            case(lab)
        except Standstill as failure:
            print(f"AGAIN {name}: {failure}", flush=True)
            case(lab)
    except (Failure, Unavailable) as failure:
        problem = str(failure)
    except Exception as error:  # a broken case must not take the other results with it
        problem = f"the case itself failed: {type(error).__name__}: {error}"
    result = Result(name, problem, time.monotonic() - started)
    verdict = "PASS" if problem is None else "FAIL"
    print(f"{verdict} {name} ({result.seconds:.1f} s)" + (f": {problem}" if problem else ""),
          flush=True)
    return result


def run_cases(cases: dict[str, Case], lab: Lab) -> list[Result]:
    deadline = time.monotonic() + SESSION_LIMIT_S

    def too_late(_: Lab) -> None:
        raise Failure(f"not run: the session has had its {SESSION_LIMIT_S} s")

    return [run_case(name, case if time.monotonic() < deadline else too_late, lab)
            for name, case in cases.items()]
