"""What scripts/demo shows: a boot from a differencing VHD, what each path to a disk costs,
and two guests that talk."""
