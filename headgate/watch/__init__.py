"""What is watched: the kinds as a table, their Informers and collections, and the permissions that this takes."""

from headgate.watch.collections import Collection
from headgate.watch.kinds import DEPENDENTS, WATCHED, Extent, Watched
from headgate.watch.watches import Selection, Sources, Watches

__all__ = ["DEPENDENTS", "WATCHED", "Collection", "Extent", "Selection", "Sources", "Watched", "Watches"]
