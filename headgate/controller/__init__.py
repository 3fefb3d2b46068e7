"""The Controller's loop, and what it joins: the pure pipeline and the three edges."""
