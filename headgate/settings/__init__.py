"""Every knob users turn, declared once: ConfigMap keys and annotations, their types, defaults and meaning."""

from headgate.settings.config_params import (
    GROUPS,
    NOTHING,
    REGISTRY,
    ConfigParams,
)
from headgate.settings.parsers import Unfit
from headgate.settings.reading import Said, overlay, read_annotations, read_configmap, read_keys, scoped
from headgate.settings.registry import Delta, Field, Registry, Role, Scope, Setting, Settings, Where
from headgate.settings.values import (
    Duration,
    Header,
    HeaderName,
    Offset,
    Quoted,
    Seconds,
    Size,
    Snippet,
    Words,
)

__all__ = [
    "GROUPS", "NOTHING", "REGISTRY", "ConfigParams", "Delta", "Duration", "Field", "Header", "HeaderName", "Offset",
    "Quoted", "Registry", "Role", "Said", "Scope", "Seconds", "Setting", "Settings", "Size", "Snippet", "Unfit",
    "Where", "Words", "overlay", "read_annotations", "read_configmap", "read_keys", "scoped",
]  # fmt: skip
