"""The guest cases. Each is a function of a Lab; its name in CASES is the name of the result."""

from . import cdrom, disk_tools, lifecycle, payload, platform, refusals, storage

CASES = {
    **platform.CASES,
    **payload.CASES,
    **storage.CASES,
    **cdrom.CASES,
    **disk_tools.CASES,
    **lifecycle.CASES,
    **refusals.CASES,
}
