"""The commands that work with the flags of ``headgate run``: ``run``, ``render`` and ``check``, ``explain``.

``headgate uds`` and ``headgate sockets`` are beside what they are about.
"""
