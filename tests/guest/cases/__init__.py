"""The guest cases. Each is a function of a Lab; its name in CASES is the name of the result."""

from . import platform

CASES = {
    **platform.CASES,
}
