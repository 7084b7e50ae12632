"""What a vivavoce server has counted itself, by its /metrics."""

from __future__ import annotations

import re
from urllib.request import urlopen


def total(url: str, name: str) -> float:
    """Return a counter, all its series together; 0 if nothing was counted yet."""
    with urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.M))


def underruns(url: str) -> float:
    """Return how many chunks were made later than a listener had need of."""
    return total(url, "vivavoce_underruns_total")
