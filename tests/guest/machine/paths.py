"""Where things are: the source tree, the build and the cache of the guest tests (build/guest)."""

import os
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
GUEST_TESTS = SOURCE / "tests" / "guest"
BUILD = Path(os.environ.get("VIRIDIAN_BUILD", SOURCE / "build")).resolve()
CACHE = BUILD / "guest"
BIN = BUILD / "bin"


class Unavailable(Exception):
    """Something outside the project is missing; the message names it and the cure."""
