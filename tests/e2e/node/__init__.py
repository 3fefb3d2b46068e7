"""Headgate as Pods on a real node: needs a node that can run Pods, and the image that ``E2E_IMAGE`` names."""
