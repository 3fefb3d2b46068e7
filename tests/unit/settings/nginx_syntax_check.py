"""Ask a real nginx whether it would take a configuration (``nginx -t``), as any user, below a temporary directory."""

import subprocess
from pathlib import Path

from tests.waiting import DEADLINE_S


def refusal(binary: str, folder: Path, http: str, main: str = "") -> str:
    """Return nginx's reason for refusing the lines of ``http {}`` and of the main context, or ``""``."""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi"))
    temporary += "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("uwsgi", "scgi"))
    config = folder / "trial.conf"
    config.write_text(
        f"pid {folder}/pid;\nerror_log stderr;\n{main}\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{http}\n}}\n"
    )
    command = [binary, "-t", "-q", "-e", "stderr", "-p", str(folder), "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return "" if done.returncode == 0 else done.stderr


def servers(bodies: list[str]) -> str:
    """Return a server for each body, on a Unix socket, so that no port is needed."""
    return "\n".join(
        f"server {{ listen unix:/tmp/headgate-never-opened.sock; server_name n{index}.test; {body} }}"
        for index, body in enumerate(bodies)
    )
