"""Tests; a package so that its scripted servers can be imported by each other."""
