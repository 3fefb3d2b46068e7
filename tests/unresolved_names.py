"""An nginx whose configuration test cannot resolve certain names, so that no test asks a real resolver."""

from __future__ import annotations

from pathlib import Path

SCRIPT = """#!/bin/sh
# Says what nginx -t says of a name that does not resolve (ngx_http_upstream_add_server); all else is up to nginx.
case " $* " in *" -t "*)
    for option in "$@"; do [ "$last" = -c ] && main=$option; last=$option; done
    conf=${{main%/*}}
    while read -r name; do
        found=$(grep -Hno "server $name:[0-9]*" "$conf"/conf.d/*.conf "$conf"/external/*.servers | head -n 1)
        if [ -n "$found" ]; then
            echo "nginx: [emerg] host not found in upstream \\"${{found##*server }}\\" in ${{found%%:server *}}" >&2
            exit 1
        fi
    done < {names}
esac
exec {nginx} "$@"
"""


class UnresolvedNames:
    """The program below *directory*, in place of *nginx*, and the names that it cannot resolve."""

    def __init__(self, directory: Path, nginx: str, *names: str) -> None:
        self._names = directory / "unresolved"
        self.program = _beside_the_modules_of(nginx, directory)
        self.program.write_text(SCRIPT.format(names=self._names, nginx=nginx))
        self.program.chmod(0o755)
        self.set(*names)

    def set(self, *names: str) -> None:
        """Let *names*, and no others, not resolve from now on."""
        fresh = self._names.with_suffix(".fresh")
        fresh.write_text("".join(f"{name}\n" for name in names))
        fresh.rename(self._names)


def _beside_the_modules_of(nginx: str, directory: Path) -> Path:
    """Return where a program below *directory* finds the modules of *nginx*, if that was unpacked with its own."""
    usr = Path(nginx).parents[1]
    if usr.parent == Path("/") or not (usr / "lib/nginx/modules").is_dir():
        return directory / "nginx-without-resolver"
    (directory / "unpacked/usr/sbin").mkdir(parents=True)
    for folder in ("lib", "share"):
        (directory / "unpacked/usr" / folder).symlink_to(usr / folder)
    return directory / "unpacked/usr/sbin/nginx"
