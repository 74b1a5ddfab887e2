"""Search methods. One file and one line here per method; imports no torch."""

from __future__ import annotations

from chronas.methods.base import Inspection, Method
from chronas.registry import Registry

METHODS: Registry[type[Method]] = Registry("method")
METHODS.add(
    "nasib",
    "chronas.methods.nasib:Nasib",
    "compares options in pairs, explores a share k^progress of them; preset paper is the printed Algorithm 1",
    paper="NASIB (Singh et al. 2019, 2020), Algorithm 1",
    needs={"supernet", "gradient"},
)
METHODS.add(
    "rsps",
    "chronas.methods.rsps:RandomSinglePath",
    "random search with weight sharing: uniform single paths train the supernet, then samples are ranked",
    paper="Li & Talwalkar 2019",
    needs={"supernet"},
)
METHODS.add(
    "random",
    "chronas.methods.random:RandomSearch",
    "each candidate is drawn uniformly and trained briefly; the best on validation data wins",
    paper="Li & Talwalkar 2019",
    needs={"builder"},
)
METHODS.add(
    "halving",
    "chronas.methods.halving:SuccessiveHalving",
    "many candidates trained for a moment, the better part again for longer, until one is left",
    paper="Jamieson & Talwalkar 2016",
    needs={"builder"},
)

__all__ = ["METHODS", "Inspection", "Method"]
