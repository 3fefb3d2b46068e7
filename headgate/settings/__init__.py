"""Every setting users turn, declared once: ConfigMap keys and annotations, their types, defaults and meaning."""

from headgate.settings.config_params import (
    GROUPS,
    NOTHING,
    REGISTRY,
    ConfigParams,
)
from headgate.settings.dialect import COMMUNITY, HANDED_DOWN, INCUMBENT, Dialect, Role, Scope
from headgate.settings.overrides import Overrides
from headgate.settings.parsers import Unfit
from headgate.settings.reading import overlay, read_annotations, read_configmap, read_keys
from headgate.settings.registry import Delta, Registry, Setting, Settings, SettingSpec, Where
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
    "COMMUNITY",
    "GROUPS",
    "HANDED_DOWN",
    "INCUMBENT",
    "NOTHING",
    "REGISTRY",
    "ConfigParams",
    "Delta",
    "Dialect",
    "Duration",
    "Header",
    "HeaderName",
    "Offset",
    "Overrides",
    "Quoted",
    "Registry",
    "Role",
    "Scope",
    "Seconds",
    "Setting",
    "SettingSpec",
    "Settings",
    "Size",
    "Snippet",
    "Unfit",
    "Where",
    "Words",
    "overlay",
    "read_annotations",
    "read_configmap",
    "read_keys",
]  # fmt: skip
