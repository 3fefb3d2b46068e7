"""The dialect of ingress-nginx: its annotations as typed values, and what holds without them."""

from headgate.settings.community.annotations import CommunityAnnotations
from headgate.settings.community.defaults import DEFAULTS, HSTS_MAX_AGE
from headgate.settings.community.reading import FIELDS, read_community_annotations

__all__ = ["DEFAULTS", "FIELDS", "HSTS_MAX_AGE", "CommunityAnnotations", "read_community_annotations"]
