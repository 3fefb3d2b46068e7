"""What nginx does with one request, and why: read off the same values that its files are made from. Pure."""

from headgate.explain.answer import Answer
from headgate.explain.answering import explain
from headgate.explain.picture import Picture, Site
from headgate.explain.question import BadQuestion, Question
from headgate.explain.reference import PLACES, Entry, entry
from headgate.explain.text import entry_text, text

__all__ = [
    "PLACES", "Answer", "BadQuestion", "Entry", "Picture", "Question", "Site", "entry", "entry_text", "explain", "text",
]  # fmt: skip
