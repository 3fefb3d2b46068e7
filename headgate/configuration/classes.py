"""Which objects this controller serves, by their ingress class, and in which dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from headgate.api import IngressClass
from headgate.api.nginx_org import Policy, TransportServer, VirtualServer, VirtualServerRoute
from headgate.options import IngressDialect, Options
from headgate.settings import COMMUNITY, INCUMBENT, Dialect

CONTROLLER = "nginx.org/ingress-controller"
"""The ``spec.controller`` that operators of the incumbent have in their IngressClass."""
COMMUNITY_CONTROLLER = "k8s.io/ingress-nginx"
"""The ``spec.controller`` that operators of ingress-nginx have; ``-controller-class`` may name another."""
DEFAULT = "ingressclass.kubernetes.io/is-default-class"


def spec_class(item: VirtualServer | VirtualServerRoute | TransportServer | Policy) -> str | None:
    """Return the class that a custom resource names; without one it is of every controller's."""
    return (item.spec and item.spec.ingress_class_name) or None


class ClassRule(msgspec.Struct, frozen=True):
    """The class that is served.

    Attributes:
        name: ``-ingress-class``.
        foreign: the IngressClass of that name belongs to another controller, which then serves its objects.
        files: the IngressClasses that are in the files, if files are served; ``None`` for a cluster.
        dialect: that of the Ingresses of this class.
        others: further classes that are served, whose Ingresses have the community's dialect.
        classless: whether Ingresses without a class are served, too.
    """

    name: str = "nginx"
    foreign: str = ""
    files: FileClasses | None = None
    dialect: Dialect = INCUMBENT
    others: frozenset[str] = frozenset()
    classless: bool = False

    def dialect_of(self, asked: str | None) -> Dialect:
        """Return the dialect of an Ingress of the class *asked*."""
        return COMMUNITY if asked in self.others else self.dialect

    def serves_community(self, asked: str) -> bool:
        """Whether Ingresses of the class *asked* are served here, in the community's dialect."""
        return self.dialect_of(asked) is COMMUNITY and not self.ignores(asked)

    def ignores(self, asked: str | None) -> str:
        """Return why an object of the class *asked* is not served, or ``""``.

        An Ingress without a class asks for ``""``, a custom resource for ``None``: every controller serves it.
        """
        if asked is None:
            return ""
        if not asked:
            return self._ignores_classless()
        if asked in self.others:
            return ""
        if asked != self.name:
            return f"its class is {asked!r}, and -ingress-class is {self.name!r}{self._advice(asked)}"
        return self._taken()

    def assumes(self, asked: str | None) -> str:
        """Return what a cluster needs to serve an object of the class *asked* that is served here, or ``""``."""
        if asked is None or asked or self.files is None or self.files.default == self.name:
            return ""
        return (
            f"names no ingress class, and is treated as one of {self.name!r} because these files have no other"
            " IngressClass; in a cluster it is served only if that is the default class: write"
            f" spec.ingressClassName: {self.name}"
        )

    def _ignores_classless(self) -> str:
        """In a cluster the API server has written the default class into the object; in files the rule is applied here.

        Without a default class nobody serves such an object in a cluster. In files that have one class only, or none,
        there is no doubt about what the author expects.
        """
        none = "it names no ingress class"
        if self.classless:
            return self._taken()
        if self.files is None:
            return none
        if self.foreign or self.files.default == self.name:
            return self._taken()
        if other := self.files.default or next(iter(sorted(self.files.controllers.keys() - {self.name})), ""):
            which = "default class" if self.files.default else "IngressClass"
            advice = f"write spec.ingressClassName: {self.name} if Headgate is to serve it"
            return f"{none}, and these files have the {which} {other!r}; {advice}"
        return ""

    def _taken(self) -> str:
        if self.foreign:
            return f"the IngressClass {self.name!r} belongs to the controller {self.foreign!r}"
        return ""

    def _advice(self, asked: str) -> str:
        if self.files is None:
            return ""
        if asked not in self.files.controllers and is_slip(asked, self.name):
            return f"; did you mean {self.name!r}?"
        controller = self.files.controllers.get(asked, CONTROLLER)
        if controller != CONTROLLER:
            return f"; the IngressClass {asked!r} belongs to the controller {controller!r}"
        return f"; if Headgate is to serve it, use -ingress-class={asked}"


def is_slip(word: str, meant: str) -> bool:
    """Whether *word* is *meant* with one letter too many, missing, wrong, or exchanged with its neighbour."""
    if word == meant or abs(len(word) - len(meant)) > 1:
        return False
    start = next((index for index, pair in enumerate(zip(word, meant, strict=False)) if len({*pair}) > 1), -1)
    start = min(len(word), len(meant)) if start < 0 else start
    one, other = word[start:], meant[start:]
    swapped = one[:2] == other[1::-1] and one[2:] == other[2:]
    return swapped or one[1:] == other or one == other[1:] or one[1:] == other[1:]


class FileClasses(msgspec.Struct, frozen=True):
    """The IngressClasses in files.

    Attributes:
        controllers: the controller of each, by name.
        default: the default class, ``""`` if there is none; the one that is served if there are several.
    """

    controllers: Mapping[str, str] = {}
    default: str = ""


class WantedClasses(msgspec.Struct, frozen=True):
    """What the flags ask for.

    Attributes:
        name: the class that is served (``-ingress-class``).
        community: the controller whose classes have the community's dialect.
        every: whether all classes of that controller are served.
        dialect: that of all Ingresses, whatever the controller of their class; ``None`` to go by the controller.
        missing: the controller of a class of which there is no IngressClass.
        by_name: whether the class *name* is served whatever its controller, in the community's dialect.
        classless: whether Ingresses without a class are served, too.
    """

    name: str
    community: str = COMMUNITY_CONTROLLER
    every: bool = False
    dialect: Dialect | None = None
    missing: str = CONTROLLER
    by_name: bool = False
    classless: bool = False


_DIALECTS: Mapping[IngressDialect, Dialect | None] = {
    IngressDialect.AUTO: None,
    IngressDialect.NGINX_ORG: INCUMBENT,
    IngressDialect.INGRESS_NGINX: COMMUNITY,
}
"""What ``-ingress-dialect`` says of all Ingresses."""


def wanted_classes(options: Options) -> WantedClasses:
    """Return what *options* ask for."""
    return WantedClasses(
        options.ingress_class,
        options.controller_class or COMMUNITY_CONTROLLER,
        bool(options.controller_class),
        _DIALECTS[options.ingress_dialect],
        (options.controller_class or COMMUNITY_CONTROLLER) if options.community else CONTROLLER,
        options.ingress_class_by_name,
        options.watch_ingress_without_class,
    )


def class_rule(wanted: WantedClasses, classes: Iterable[IngressClass], *, standalone: bool) -> ClassRule:
    """Derive the rule from the IngressClasses that exist; one that is missing is taken to be served here."""
    name, community = wanted.name, wanted.community
    found = {item.metadata.name: item for item in classes}
    controllers = {key: (item.spec and item.spec.controller) or CONTROLLER for key, item in found.items()}
    controller = community if wanted.by_name else controllers.get(name, wanted.missing)
    others = frozenset(key for key, its in controllers.items() if wanted.every and its == community) - {name}
    defaults = sorted(key for key, item in found.items() if item.annotations.get(DEFAULT) == "true")
    default = name if name in defaults else next(iter(defaults), "")
    files = FileClasses(controllers, default) if standalone else None
    foreign = "" if controller in {CONTROLLER, community} else controller
    spoken = wanted.dialect or (COMMUNITY if controller == community else INCUMBENT)
    return ClassRule(name, foreign, files, spoken, others, wanted.classless)
