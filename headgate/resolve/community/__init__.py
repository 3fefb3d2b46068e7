"""Ingresses of ingress-nginx become routes."""

from headgate.resolve.community.lowering import lower_community_ingress

__all__ = ["lower_community_ingress"]
