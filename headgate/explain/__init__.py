"""What nginx does with one request, and why: read off the same values that its files are made from. Pure."""

from headgate.explain.answer import Answer
from headgate.explain.explaining import explain
from headgate.explain.question import BadQuestion, Question
from headgate.explain.reference import PLACES, Entry, entry, names
from headgate.explain.streams import explain_stream, stream_question
from headgate.explain.text import entry_text, text
from headgate.explain.view import ClusterView, ResourceView

__all__ = [
    "PLACES", "Answer", "BadQuestion", "ClusterView", "Entry", "Question", "ResourceView", "entry", "entry_text",
    "explain", "explain_stream", "names", "stream_question", "text",
]  # fmt: skip
