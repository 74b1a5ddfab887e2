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
    needs={"supernet", "gradient", "proxy"},
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
METHODS.add(
    "naswot",
    "chronas.methods.naswot:Naswot",
    "nothing is trained: random architectures are scored untrained, the best score wins; any proxy can be the score",
    paper="NASWOT (Mellor et al. 2021), Algorithm 1",
    needs={"builder", "proxy"},
)
METHODS.add(
    "rea",
    "chronas.methods.rea:RegularisedEvolution",
    "regularised evolution: the best of a few members is changed in one decision, and the oldest member dies",
    paper="Real et al. 2019",
    needs={"builder"},
)
METHODS.add(
    "area",
    "chronas.methods.area:AssistedEvolution",
    "regularised evolution that starts from the best of a larger population by a score without training",
    paper="NASWOT (Mellor et al. 2021), Algorithm 2",
    needs={"builder", "proxy"},
)
METHODS.add(
    "reinforce",
    "chronas.methods.reinforce:Reinforce",
    "one distribution per decision, trained by the accuracy of what it draws",
    paper="Williams 1992; Dong & Yang 2020",
    needs={"builder"},
)
METHODS.add(
    "bohb",
    "chronas.methods.bohb:Bohb",
    "many short trainings and few long ones in Hyperband's brackets, drawn by a density model of the good ones",
    paper="Falkner et al. 2018",
    needs={"builder"},
)
METHODS.add(
    "nsga2",
    "chronas.methods.nsga2:Nsga2",
    "evolution for two objectives, accuracy and cost: a whole front of architectures",
    paper="Deb et al. 2002",
    needs={"builder"},
)
METHODS.add(
    "optuna",
    "chronas.methods.optuna:OptunaSearch",
    "a sampler of Optuna as the method: tpe, gp, nsga2 or random (needs the extra optuna)",
    paper="Akiba et al. 2019",
    needs={"builder"},
)

__all__ = ["METHODS", "Inspection", "Method"]
