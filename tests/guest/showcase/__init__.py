"""What scripts/demo shows: a boot from a differencing VHD, and what each path to a disk costs."""
