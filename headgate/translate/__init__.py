"""Resources with everything they point at become nginx's blocks. Pure."""

from headgate.translate.environment import Environment
from headgate.translate.hosts import Translated, translate
from headgate.translate.main import translate_main
from headgate.translate.unserved import translate_default_server, translate_ports
from headgate.translate.unsupported import unsupported_flags, unsupported_keys

__all__ = [
    "Environment",
    "Translated",
    "translate",
    "translate_default_server",
    "translate_main",
    "translate_ports",
    "unsupported_flags",
    "unsupported_keys",
]
