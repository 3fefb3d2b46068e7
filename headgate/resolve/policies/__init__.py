"""Policies become ``routes``: one module for each type, and a table of them (``kinds``)."""
