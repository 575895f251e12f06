"""Kernel messages of level "warning" that are allowed, each with its reason. Nothing else is."""

ALLOWED = (
    # The host was busy; says nothing of a device.
    "hrtimer: interrupt took",
)
