"""Tells the cluster and its operators: Verdicts, events, statuses, metrics, probes and logs.

May touch the API server through ``ApiWriter``, two HTTP ports and stdout. Imports no sibling: numbers and outcomes
are handed to it.
"""
