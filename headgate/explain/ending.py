"""Where a request ends, and under which conditions it goes on: the sentence in front of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from headgate.explain.answer import Answer, RequestOutcome, Step


def ending(answer: Answer) -> Step | None:
    """Return the step at which this very request ends before anything is asked, ``None`` if there is none."""
    return next((step for step in answer.steps if step.status and not step.redirects), None)


def ended(answer: Answer, step: Step, words: str) -> Answer:
    """Return *answer* with what *step* makes of it, and *words*, without a full stop, about what would follow.

    What must be true for the request to come as far as to *step* is part of the first sentence, what must be true
    after it of the second.
    """
    index = answer.steps.index(step)
    here = conditional(f"nginx answers {step.status} ({_why(step)})", answer.steps[:index])
    summary = f"{here} If that does not apply: {conditional(words, answer.steps[index + 1 :])}"
    return structs.replace(answer, summary=summary, status=step.status, outcome=RequestOutcome.ANSWERED)


def conditional(words: str, steps: Sequence[Step]) -> str:
    """Return *words* as a sentence, with what must be true for the request to pass *steps*."""
    conditions = [
        f"{step.condition} (otherwise {step.otherwise})" if step.otherwise else step.condition
        for step in steps
        if step.condition
    ]
    return f"{words}, if {' and '.join(conditions)}." if conditions else f"{words}."


def _why(step: Step) -> str:
    """Return the text of *step* without the status that it may begin with."""
    return step.what.removeprefix(str(step.status)).removeprefix(",").strip()
