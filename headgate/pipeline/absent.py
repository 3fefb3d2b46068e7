"""Why an object that another one names is not there, as far as the flags show it."""

from __future__ import annotations

from headgate.options import Options
from headgate.problems import ObjectRef


def absent(ref: ObjectRef, options: Options, *, standalone: bool) -> str:
    """Return why *ref*, a custom resource, is not known; *standalone*: whether the objects are in files."""
    missing = f"does not exist in namespace {ref.namespace}"
    if not options.enable_custom_resources:
        return "is not read, because of -enable-custom-resources=false"
    if standalone:
        return missing
    if options.watch_namespace and ref.namespace not in options.watch_namespace:
        return f"is in namespace {ref.namespace}, which is not watched; add it to -watch-namespace"
    if label := options.watch_namespace_label:
        return f"{missing}, or that namespace has not the label {label} (-watch-namespace-label)"
    return missing
