"""The guest cases. Each is a function of a Lab; its name in CASES is the name of the result."""

from . import cdrom, lifecycle, payload, platform, refusals, storage

CASES = {
    **platform.CASES,
    **payload.CASES,
    **storage.CASES,
    **cdrom.CASES,
    **lifecycle.CASES,
    **refusals.CASES,
}
