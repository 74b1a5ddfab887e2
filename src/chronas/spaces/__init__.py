"""Search spaces: plain data, no torch. One file and one line here per space."""

from __future__ import annotations

from chronas.registry import Registry
from chronas.spaces.base import Decision, Space

SPACES: Registry[type[Space]] = Registry("space")
SPACES.add(
    "superkernel",
    "chronas.spaces.superkernel:SuperkernelSpace",
    "a chain of residual layers, each one of the m x m kernels i x j (or a given list of kernels and pools)",
    paper="NASIB section 3.4, 4.1",
)
SPACES.add(
    "resnet",
    "chronas.spaces.resnet:ResNetSpace",
    "residual networks: stem, and per stage its width, number of blocks and kind of block",
    paper="He et al. 2016; Radosavovic et al. 2020",
)
SPACES.add(
    "nds_nasnet",
    "chronas.spaces.nds:NasNetSpace",
    "NASNet cells (13 operations, 5 nodes), width and depth",
    paper="Zoph et al. 2018; NDS",
)
SPACES.add(
    "nds_amoebanet",
    "chronas.spaces.nds:AmoebaNetSpace",
    "AmoebaNet cells (8 operations, 5 nodes), width and depth",
    paper="Real et al. 2019; NDS",
)
SPACES.add(
    "nds_pnas",
    "chronas.spaces.nds:PnasSpace",
    "PNAS cells (8 operations, 5 nodes), width and depth",
    paper="Liu et al. 2018; NDS",
)
SPACES.add(
    "nds_enas",
    "chronas.spaces.nds:EnasSpace",
    "ENAS cells (5 operations, 5 nodes), width and depth",
    paper="Pham et al. 2018; NDS",
)
SPACES.add(
    "nds_darts",
    "chronas.spaces.nds:DartsSpace",
    "DARTS cells (8 operations, 4 nodes), width and depth",
    paper="Liu et al. 2019; NDS",
)
SPACES.add(
    "nasbench_macro",
    "chronas.spaces.nasbench_macro:NasBenchMacroSpace",
    "eight layers, each an identity or one of two inverted residual blocks",
    paper="Su et al. 2021",
)
SPACES.add(
    "nasbench201",
    "chronas.spaces.nasbench201:NasBench201Space",
    "a cell of 4 nodes with one of 5 operations on each of its 6 edges (NAS-Bench-201, NATS-Bench topology)",
    paper="Dong & Yang 2020",
)
SPACES.add(
    "natssize",
    "chronas.spaces.natssize:NatsSizeSpace",
    "the widths of five layers of a fixed network: the size space of NATS-Bench",
    paper="Dong et al. 2021",
)
SPACES.add(
    "nasbench101",
    "chronas.spaces.nasbench101:NasBench101Space",
    "a cell that is a graph of at most 7 nodes and 9 edges, with one of 3 operations on each inner node",
    paper="Ying et al. 2019",
)
SPACES.add(
    "transnas_micro",
    "chronas.spaces.transnas:TransNasMicroSpace",
    "TransNAS-Bench-101: cells of four operations on six edges",
    paper="Duan et al. 2021",
)
SPACES.add(
    "transnas_macro",
    "chronas.spaces.transnas:TransNasMacroSpace",
    "TransNAS-Bench-101: where four to six modules double the channels and halve the map",
    paper="Duan et al. 2021",
)

__all__ = ["SPACES", "Decision", "Space"]
