"""The dialect of ingress-nginx: its annotations as typed values, and what holds without them."""

from headgate.settings.community.annotations import CommunityAnnotations
from headgate.settings.community.config_map import (
    CommunityConfig,
    CommunityHosts,
    read_community_config,
    whole_defaults,
)
from headgate.settings.community.defaults import DEFAULTS, HSTS_MAX_AGE
from headgate.settings.community.guarded import keeps_out
from headgate.settings.community.reading import FIELDS, CommunityRules, ReadAnnotations, read_community_annotations

__all__ = [
    "DEFAULTS",
    "FIELDS",
    "HSTS_MAX_AGE",
    "CommunityAnnotations",
    "CommunityConfig",
    "CommunityHosts",
    "CommunityRules",
    "ReadAnnotations",
    "keeps_out",
    "read_community_annotations",
    "read_community_config",
    "whole_defaults",
]
