"""Whether the main template in force contains what the live data plane needs."""

from __future__ import annotations

from msgspec import structs

from headgate.ir.layout import LIVE_SOCKET, STREAMS_SOCKET
from headgate.render import MAIN, TRANSPORT_SERVER, BadTemplate, Renderer
from headgate.translate import Environment, translate_main


def suited(env: Environment, renderer: Renderer) -> Environment:
    """Return *env* as the templates of *renderer* let it be: without the lines for it, files say everything."""
    env = structs.replace(env, main_without_live=False, streams_in_files=_about_streams(renderer))
    modules = env.live
    if modules is None or MAIN not in renderer.overrides:
        return env
    try:
        text = renderer.main(translate_main(env, names=1, longest=1)).data.decode()
    except BadTemplate:
        return env  # the caller renders it too
    if env.stream_js and f"{STREAMS_SOCKET}.sock" not in text:
        env = structs.replace(env, streams_in_files="the main template lacks blocks/live_streams.j2")
    parts = ("headgate.init", f"{LIVE_SOCKET}.sock", *(module.rpartition("/")[2] for module in modules.modules))
    return structs.replace(env, main_without_live=not all(part in text for part in parts))


def _about_streams(renderer: Renderer) -> str:
    """Say why servers of TCP and UDP cannot be pushed: a template of the user's need not print what they need."""
    return "TransportServers have a template of their own" if TRANSPORT_SERVER in renderer.overrides else ""
