"""Headgate against the API server that KUBECONFIG names, with a real nginx."""
