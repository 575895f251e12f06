"""The guest cases. Each is a function of a Lab; its name in CASES is the name of the result."""

from . import cdrom, disk_tools, lifecycle, network, nic_21140, payload, platform, refusals, storage

CASES = {
    **platform.CASES,
    **payload.CASES,
    **storage.CASES,
    **cdrom.CASES,
    **disk_tools.CASES,
    **nic_21140.CASES,
    **network.CASES,
    **lifecycle.CASES,
    **refusals.CASES,
}
