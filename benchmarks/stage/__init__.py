"""What the benchmarks share: the objects of a large cluster, an API server, a running Headgate, measured nginx, tables."""
