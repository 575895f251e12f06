"""A place where programs run that need /dev/kvm: this host, or the nested machine (nested.py).

A program runs in a folder of the session; what it leaves there is there afterwards, whichever place
ran it. Each run is bounded in time.
"""

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

LineSink = Callable[[str], None]
TIMED_OUT = 124  # the exit code of timeout(1)


@dataclass
class Outcome:
    code: int
    lines: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def timed_out(self) -> bool:
        return self.code in (TIMED_OUT, 137)


class Place(Protocol):
    name: str
    slowness: int  # what to multiply time limits by

    def run(self, folder: Path, command: list[str], limit_s: int,
            on_line: LineSink | None = None) -> Outcome: ...

    def close(self) -> None: ...


class Host:
    name = "native"
    slowness = 1

    def run(self, folder: Path, command: list[str], limit_s: int,
            on_line: LineSink | None = None) -> Outcome:
        started = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   errors="replace", start_new_session=True)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit_s, expire)
        timer.start()
        outcome = Outcome(TIMED_OUT)
        try:
            assert process.stdout is not None
            for line in process.stdout:
                outcome.lines.append(line.rstrip("\r\n"))
                if on_line:
                    on_line(outcome.lines[-1])
            process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if not expired.is_set():
            code = process.returncode
            outcome.code = code if code >= 0 else 128 - code  # as a shell tells a signal
        outcome.seconds = time.monotonic() - started
        return outcome

    def close(self) -> None:
        pass


def quoted(command: list[str]) -> str:
    return " ".join(shlex.quote(word) for word in command)
