"""Where guest tests run: the kernel, initial RAM file systems, this host or a nested machine."""
