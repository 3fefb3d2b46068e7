"""The only place that sees both shores: the pure rooms and the three edges."""
