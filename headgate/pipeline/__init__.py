"""From changed objects to everything that nginx is to have. Pure: no network, no disk, no clock of its own."""

from headgate.pipeline.generation import Generation, Ruling
from headgate.pipeline.generator import Bug, Generated, Rendered
from headgate.pipeline.objects import Changes
from headgate.pipeline.pipeline import Pipeline, ResourceKind

__all__ = ["Bug", "Changes", "Generated", "Generation", "Pipeline", "Rendered", "ResourceKind", "Ruling"]
