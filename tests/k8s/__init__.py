"""Tests of the API server edge."""
