"""Kernel messages of level "warning" that are allowed, each with its reason. Nothing else is."""

ALLOWED = (
    # The host was busy; says nothing of a device.
    "hrtimer: interrupt took",
)

# Where a NIC gives several TCP segments as one (RSC): hv_netvsc does not say how many there were,
# on Hyper-V neither, so TCP takes it for a driver's mistake.
ALLOWED_WITH_RSC = ("Driver has suspect GRO implementation",)
