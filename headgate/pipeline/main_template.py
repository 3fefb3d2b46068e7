"""Whether the main template in force contains what the live data plane needs."""

from __future__ import annotations

from msgspec import structs

from headgate.ir.layout import LIVE_SOCKET
from headgate.render import MAIN, BadTemplate, Renderer
from headgate.translate import Environment, translate_main


def suited(env: Environment, renderer: Renderer) -> Environment:
    """Return *env* as the main template of *renderer* lets it be: without the lines for it, files say everything."""
    env = structs.replace(env, main_without_live=False)
    modules = env.live
    if modules is None or MAIN not in renderer.overrides:
        return env
    try:
        text = renderer.main(translate_main(env, names=1, longest=1)).data.decode()
    except BadTemplate:
        return env  # the caller renders it too
    parts = ("headgate.init", f"{LIVE_SOCKET}.sock", *(module.rpartition("/")[2] for module in modules.modules))
    return structs.replace(env, main_without_live=not all(part in text for part in parts))
