"""nginx's blocks become text, and nothing that a user wrote becomes a directive. Pure."""

from headgate.render.guard import Injection
from headgate.render.renderer import HTTP, MAIN, TRANSPORT_SERVER, VIRTUAL_SERVER, BadTemplate, Renderer

__all__ = ["HTTP", "MAIN", "TRANSPORT_SERVER", "VIRTUAL_SERVER", "BadTemplate", "Injection", "Renderer"]
