"""Policies become parts of servers and locations: one module for each type, and a table of them (``kinds``)."""
