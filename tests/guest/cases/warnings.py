"""Kernel messages of level "warning" that are allowed, each with its reason. Nothing else is."""

ALLOWED: tuple[str, ...] = ()
