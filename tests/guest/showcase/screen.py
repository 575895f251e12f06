"""Prints for a person: colours on a terminal, plain text in a file or a pipe."""

import os
import sys


class Screen:
    def __init__(self) -> None:
        self.colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def _print(self, code: str, text: str) -> None:
        print(f"\033[{code}m{text}\033[0m" if self.colours else text, flush=True)

    def step(self, text: str) -> None:
        print()
        self._print("1", f"== {text}")

    def say(self, text: str) -> None:
        print(text, flush=True)

    def good(self, text: str) -> None:
        self._print("32", f"ok    {text}")

    def bad(self, text: str) -> None:
        self._print("31", f"FAIL  {text}")

    def guest(self, text: str) -> None:
        self._print("36", f"guest | {text}")

    def table(self, head: list[str], rows: list[list[str]]) -> None:
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for row in [head, ["-" * width for width in widths], *rows]:
            cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                     for i, (cell, width) in enumerate(zip(row, widths))]
            self.say("  " + "   ".join(cells))
