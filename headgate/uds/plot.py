"""The diagram of ``headgate uds bench --plot``; the only module that imports matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from headgate.uds.bench import Figure, machine, size_text
from headgate.uds.errors import UdsError


def require() -> None:
    """Check that a diagram can be drawn, before the measurement begins.

    Raises:
        UdsError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - heavy, and only this option needs it
    except ImportError as error:
        raise UdsError("--plot needs matplotlib: pip install 'headgate[plot]'; the table needs nothing") from error
    mpl.use("agg")


def draw(figures: Sequence[Figure], file: Path) -> None:
    """Write rate and p50/p99 by message size, a line per transport, as PNG.

    Raises:
        UdsError: *file* cannot be written.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    sizes = sorted({figure.size for figure in figures})
    canvas, (rate, delay) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for transport in dict.fromkeys(figure.transport for figure in figures):
        mine = sorted((figure for figure in figures if figure.transport == transport), key=lambda figure: figure.size)
        x = [figure.size for figure in mine]
        (line,) = rate.plot(x, [figure.requests_per_s for figure in mine], marker="o", label=transport)
        delay.plot(x, [figure.p50_us for figure in mine], marker="o", color=line.get_color(), label=f"{transport} p50")
        delay.plot(x, [figure.p99_us for figure in mine], linestyle=":", color=line.get_color())
    for axes, title in ((rate, "requests/s, one at a time"), (delay, "µs to the answer: p50, dotted p99")):
        axes.set(xscale="log", yscale="log", title=title, xlabel="bytes of a message")
        axes.set_xticks(sizes, [size_text(size) for size in sizes])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    rate.legend()
    canvas.suptitle(machine(), fontsize=9)
    try:
        canvas.savefig(file, format="png", dpi=100)
    except OSError as error:
        raise UdsError(f"{file}: cannot be written: {error.strerror}") from error
