"""Resources with everything they point at become nginx's blocks. Pure."""

from headgate.translate.environment import Environment
from headgate.translate.ingress import Translated, translate_ingress
from headgate.translate.lacks import lacks_of_config_map, lacks_of_flags
from headgate.translate.main import translate_default_server, translate_main

__all__ = [
    "Environment",
    "Translated",
    "lacks_of_config_map",
    "lacks_of_flags",
    "translate_default_server",
    "translate_ingress",
    "translate_main",
]
