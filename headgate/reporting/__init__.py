"""Reports to the cluster and to operators: Verdicts, events, statuses, metrics, probes and logs.

Uses the API server through ``ApiWriter``, two HTTP ports and stdout. Does not import the other edges: numbers and
results are passed to it.
"""
