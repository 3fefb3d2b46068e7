"""What the benchmarks share: many objects, an API server, a running Headgate, a measured nginx, tables."""
