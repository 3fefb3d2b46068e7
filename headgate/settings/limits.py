"""Rate limiting of requests."""

from __future__ import annotations

from typing import Annotated

from headgate.settings.parsers import VARIABLE, choice, matching, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Size, zone_size

CHECKED = "An Ingress with an invalid value is refused; the incumbent logs it and uses the default."


class LimitSettings(Settings):
    """``limit_req``: active where a rate is given."""

    limit_req_rate: Annotated[
        str | None,
        setting(
            "limit-req-rate",
            "Requests per second or minute: 10r/s, 30r/m.",
            where=Where.ANNOTATION,
            parse=matching(r"0{0,9}[1-9][0-9]{0,8}r/[sm]", "a rate such as 10r/s or 30r/m"),
            directive="limit_req_zone",
            context="http",
            example="10r/s",
            narrow=True,
            differs=f"{CHECKED} The zone's name ends with a hash of the key, which nginx cannot change at a reload.",
        ),
    ] = None
    limit_req_key: Annotated[
        str,
        setting(
            "limit-req-key",
            "What is counted.",
            where=Where.ANNOTATION,
            parse=matching(f"(?:{VARIABLE})+", "one or more variables such as ${binary_remote_addr}"),
            directive="limit_req_zone",
            context="http",
            example="${http_x_api_key}",
        ),
    ] = "${binary_remote_addr}"
    limit_req_zone_size: Annotated[
        Size,
        setting(
            "limit-req-zone-size",
            "Memory for the counters.",
            where=Where.ANNOTATION,
            parse=zone_size,
            directive="limit_req_zone",
            context="http",
            narrow=True,
            differs=CHECKED,
        ),
    ] = Size("10m")
    limit_req_delay: Annotated[
        int,
        setting(
            "limit-req-delay",
            "Excess requests that are passed on without delay.",
            where=Where.ANNOTATION,
            directive="limit_req",
            unit="requests",
            example="5",
            yields_to="limit-req-no-delay",
            narrow=True,
            differs=CHECKED,
        ),
    ] = 0
    limit_req_no_delay: Annotated[
        bool,
        setting(
            "limit-req-no-delay",
            "Pass the whole burst on without delay.",
            where=Where.ANNOTATION,
            directive="limit_req",
            narrow=True,
            differs=CHECKED,
        ),
    ] = False
    limit_req_burst: Annotated[
        int,
        setting(
            "limit-req-burst",
            "Excess requests that wait.",
            where=Where.ANNOTATION,
            directive="limit_req",
            unit="requests",
            example="20",
            narrow=True,
            differs=CHECKED,
        ),
    ] = 0
    limit_req_dry_run: Annotated[
        bool,
        setting(
            "limit-req-dry-run",
            "Count, but refuse nothing.",
            where=Where.ANNOTATION,
            narrow=True,
            differs=CHECKED,
        ),
    ] = False
    limit_req_log_level: Annotated[
        str,
        setting(
            "limit-req-log-level",
            "Level of the log line of a refused request.",
            where=Where.ANNOTATION,
            parse=choice("info", "notice", "warn", "error"),
            narrow=True,
            differs=CHECKED,
            example="warn",
        ),
    ] = "error"
    limit_req_scale: Annotated[
        bool,
        setting(
            "limit-req-scale",
            "Divide the rate by the number of ready replicas, each of which limits its own requests.",
            where=Where.ANNOTATION,
            directive="limit_req_zone",
            context="http",
            differs="A rate that is not divisible is converted to minutes (10r/s on 3 replicas: 200r/m), at "
            "least 1r/m; the incumbent rounds it down, possibly to 0.",
        ),
    ] = False
    limit_req_status: Annotated[
        int,
        setting(
            "limit-req-reject-code",
            "Status of a refusal.",
            where=Where.ANNOTATION,
            parse=number(400, 599),
            example="503",
            narrow=True,
            differs=f"{CHECKED} Only 400 to 599 are accepted, as in nginx.",
        ),
    ] = 429
