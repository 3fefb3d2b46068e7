"""Resources with everything they point at become nginx's blocks. Pure."""

from headgate.translate.environment import Environment
from headgate.translate.factor import Dedicated, Routed, factor, mentioned
from headgate.translate.hosts import Translated, translate
from headgate.translate.http3 import http3_in_words, translate_http3
from headgate.translate.main import translate_main
from headgate.translate.members import Memory, PartFiles
from headgate.translate.passthrough import translate_exceptions, translate_passthrough
from headgate.translate.profiles import with_pages
from headgate.translate.streams import StreamPlace, translate_common_streams
from headgate.translate.unserved import names_file, translate_default_server, translate_ports, translate_profiles
from headgate.translate.unsupported import unsupported_flags, unsupported_keys

__all__ = [
    "Dedicated",
    "Environment",
    "Memory",
    "PartFiles",
    "Routed",
    "StreamPlace",
    "Translated",
    "factor",
    "http3_in_words",
    "mentioned",
    "names_file",
    "translate",
    "translate_common_streams",
    "translate_default_server",
    "translate_exceptions",
    "translate_http3",
    "translate_main",
    "translate_passthrough",
    "translate_ports",
    "translate_profiles",
    "unsupported_flags",
    "unsupported_keys",
    "with_pages",
]
