"""The machines in which guest tests run: the kernel, initial RAM file systems, the host or a nested machine."""
