"""Which objects this controller serves, by their ingress class."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headgate.api import IngressClass

CONTROLLER = "nginx.org/ingress-controller"
"""The ``spec.controller`` that operators of the incumbent have in their IngressClass."""
DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class ClassRule(msgspec.Struct, frozen=True):
    """The class that is served.

    Attributes:
        name: ``-ingress-class``.
        foreign: the IngressClass of that name belongs to another controller, which then serves its objects.
        classless: objects without a class are served; only where no API server writes the default class into them.
    """

    name: str = "nginx"
    foreign: str = ""
    classless: bool = False

    def ignores(self, asked: str) -> str:
        """Return why an object of the class *asked* (``""``: of none) is not served, or ``""``."""
        if not asked:
            return "" if self.classless else "it names no ingress class"
        if asked != self.name:
            return f"its class is {asked!r}, and -ingress-class is {self.name!r}"
        if self.foreign:
            return f"the IngressClass {self.name!r} belongs to the controller {self.foreign!r}"
        return ""


def class_rule(name: str, classes: Iterable[IngressClass], *, standalone: bool) -> ClassRule:
    """Derive the rule from the IngressClasses that exist; one that is missing is taken to be served here."""
    own = next((found for found in classes if found.metadata.name == name), None)
    controller = (own and own.spec and own.spec.controller) or CONTROLLER
    default = own is not None and own.annotations.get(DEFAULT) == "true"
    return ClassRule(name, "" if controller == CONTROLLER else controller, classless=standalone and default)
