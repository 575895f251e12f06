"""Kernel messages of level "warning" that are allowed, each with its reason. Nothing else is."""

ALLOWED = (
    # vmm-minimal offers an invariant TSC only where the host has one; emulated CPUs have none.
    "Unstable clock detected, switching default tracing clock",
    "If you want to keep using the local clock, then add:",
    '"trace_clock=local"',
    "on the kernel command line",
    # The host was busy; says nothing of a device.
    "hrtimer: interrupt took",
)
