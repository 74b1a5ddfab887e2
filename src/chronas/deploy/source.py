"""A network as one Python file of plain torch modules, written from its exported graph.

The graph is the same whatever space the network comes from, so nothing here knows a space: convolutions,
batch norms and linear layers become `nn` modules, everything else a line of `forward`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import safetensors.torch
import torch
from torch import nn
from torch.fx import Node

from chronas.deploy.bundle import Bundle, state_tensors
from chronas.deploy.graph import export_program, scaling

aten = torch.ops.aten

_TEMPLATE = '''"""Image classifier found by Chronas, as plain PyTorch: {notation}

Needs torch and safetensors. The weights lie beside this file, in {name}.safetensors.

    import {name}
    net = {name}.load()
    {name}.probabilities(net, images)  # images: float32 (batch, {channels}, {height}, {width}), {scaling}
"""

from __future__ import annotations

{imports}

CLASSES = {classes}
MEAN = {mean}
STD = {std}
SHAPE = ({channels}, {height}, {width})
CHRONAS_VERSION = {version}


class Network(nn.Module):
    """Normalised images (batch, {channels}, {height}, {width}) to logits (batch, {count})."""

    def __init__(self) -> None:
        super().__init__()
{modules}

    def forward(self, {given}: torch.Tensor) -> torch.Tensor:
{forward}


def load(path: str | Path | None = None) -> Network:
    """The trained network in eval mode; `path`: its weights, if not beside this file."""
    net = Network()
    net.load_state_dict(load_file(path or Path(__file__).with_suffix(".safetensors")))
    return net.eval()


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Images (batch, channels, height, width) with pixels in 0..1 as the network wants them."""
    mean = torch.tensor(MEAN, device=images.device).view(1, -1, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, -1, 1, 1)
    return (images - mean) / std


def probabilities(net: Network, images: torch.Tensor) -> torch.Tensor:
    """(batch, classes) probabilities, in the order of CLASSES, of images with pixels in 0..1."""
    with torch.no_grad():
        return torch.softmax(net(normalise(images)), dim=1)
'''


def write_source(bundle: Bundle, name: str) -> tuple[str, bytes]:
    """The source of the module `name` and the bytes of the file NAME.safetensors that belongs beside it.

    The module's `load()` gives the network of `bundle`: images (b, c, h, w), normalised, to logits.
    """
    writer = _Writer(bundle)
    lines = writer.forward()
    task = bundle.task
    imports = ["from pathlib import Path", "", "import torch", "import torch.nn.functional as F",
               "from safetensors.torch import load_file", "from torch import nn"]  # fmt: skip
    if any("operator." in line for line in lines):
        imports.insert(0, "import operator")
    if any("math." in line for line in lines):
        imports.insert(0, "import math")
    source = _TEMPLATE.format(
        notation=bundle.architecture.notation,
        name=name,
        channels=task.channels,
        height=task.height,
        width=task.width,
        scaling=scaling(bundle),
        imports="\n".join(imports),
        classes=repr(bundle.classes),
        mean=repr(bundle.mean),
        std=repr(bundle.std),
        version=repr(bundle.chronas_version),
        count=task.classes,
        modules="\n".join(f"        {line}" for line in writer.modules),
        given=writer.given,
        forward="\n".join(f"        {line}" for line in lines),
    )
    return source, safetensors.torch.save(writer.tensors)


class _Writer:
    """Walks the graph once; `modules` are the lines of __init__, `tensors` the renamed state."""

    def __init__(self, bundle: Bundle) -> None:
        self.net = bundle.net
        self.state = state_tensors(bundle.net)
        self.program = export_program(bundle.net, bundle.task)
        signature = self.program.graph_signature
        self.paths: Mapping[str, str] = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.prefix = _common_prefix(list(self.state))
        self.modules: list[str] = []
        self.tensors: dict[str, torch.Tensor] = {}
        self.given = "x"
        self._attributes: dict[str, str] = {}
        self._names: dict[Node, str] = {}
        self._uses: dict[Node, int] = {}

    def forward(self) -> list[str]:
        """The lines of forward."""
        nodes = [node for node in self.program.graph.nodes if node.op != "placeholder"]
        self._uses = _last_uses(nodes)
        inputs = [n for n in self.program.graph.nodes if n.op == "placeholder" and n.name not in self.paths]
        self._names[inputs[0]] = self.given
        lines: list[str] = []
        group = ""
        for place, node in enumerate(nodes):
            if node.op == "output":
                lines.append(f"return {self._text(node.args[0][0])}")
            elif node.users:
                here = self._group(node)
                line = self._line(node, place)
                if line and here != group:
                    lines.append(f"# {here}")
                    group = here
                lines += [line] if line else []
        return lines

    def _line(self, node: Node, place: int) -> str:
        if node.target is aten.dropout.default and not node.args[2]:
            dropped = node.args[0]
            assert isinstance(dropped, Node)
            self._names[node] = self._names[dropped]
            self._uses[dropped] = self._uses[node]
            return ""
        text = self._call(node)
        free = [self._names[n] for n in node.all_input_nodes
                if n in self._names and self._dead(n, place)]  # fmt: skip
        taken = {name for n, name in self._names.items() if not self._dead(n, place)}
        name = min(free, key=_rank) if free else next(n for n in _variables() if n not in taken)
        self._names[node] = name
        return f"{name} = {text}"

    def _dead(self, node: Node, place: int) -> bool:
        """Whether nothing after line `place` reads the variable of `node`, under any of its names."""
        same = [n for n, name in self._names.items() if name == self._names[node]]
        return all(self._uses.get(n, -1) <= place for n in same)

    def _call(self, node: Node) -> str:
        module = self._module(node)
        if module:
            return f"self.{module}({self._text(node.args[0])})"
        args = [self._text(arg) for arg in node.args]
        if node.target in _PLAIN:
            text = _PLAIN[node.target](args, {key: self._text(value) for key, value in node.kwargs.items()})
            if text:
                return text
        args += [f"{key}={self._text(value)}" for key, value in node.kwargs.items()]
        if isinstance(node.target, torch._ops.OpOverload):
            return f"torch.ops.{node.target}({', '.join(args)})"
        target: Any = node.target
        return f"{target.__module__.lstrip('_')}.{target.__name__}({', '.join(args)})"

    def _module(self, node: Node) -> str:
        """The attribute that holds the module which `node` is the call of, or "" where it is no such call."""
        used = [self.paths[n.name] for n in node.all_input_nodes if n.name in self.paths]
        owners = {path.rpartition(".")[0] for path in used}
        if len(owners) != 1:
            return ""
        owner = owners.pop()
        module = self.net.get_submodule(owner)
        if node.target not in _CALLS.get(type(module), ()):
            return ""
        text = _constructor(module)
        if not text:
            return ""
        if owner not in self._attributes:
            self._attributes[owner] = self._attribute(owner)
            self.modules.append(f"self.{self._attributes[owner]} = {text}")
            for key, value in module.state_dict().items():
                self.tensors[f"{self._attributes[owner]}.{key}"] = value.detach().cpu().contiguous().clone()
        return self._attributes[owner]

    def _text(self, value: Any) -> str:
        if isinstance(value, Node):
            return self._names[value] if value in self._names else f"self.{self._tensor(value)}"
        if isinstance(value, list | tuple):
            return "[" + ", ".join(self._text(item) for item in value) + "]"
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        if isinstance(value, torch.device):
            return f'torch.device("{value}")'
        return repr(value)

    def _tensor(self, node: Node) -> str:
        """The attribute of a tensor that belongs to no module written here."""
        path = self.paths[node.name]
        if path not in self._attributes:
            value = self.state[path] if path in self.state else self.program.constants[path]
            self._attributes[path] = attribute = self._attribute(path)
            shape = f"{list(value.shape)}, dtype={value.dtype}"
            self.modules.append(f'self.register_buffer("{attribute}", torch.zeros({shape}))')
            self.tensors[attribute] = value.detach().cpu().contiguous().clone()
        return self._attributes[path]

    def _attribute(self, path: str) -> str:
        name = path.removeprefix(self.prefix).replace(".", "_")
        name = name if name.isidentifier() else f"part_{name}"
        while name in self._attributes.values() or hasattr(nn.Module, name):
            name += "_"
        return name

    def _group(self, node: Node) -> str:
        """The part of the network that `node` belongs to: a word, and a number where there are several."""
        stack = node.meta.get("nn_module_stack") or {"": ("", "")}
        path = str(next(reversed(stack.values()))[0]) + "."
        words = path.removeprefix(self.prefix).rstrip(".").split(".")
        numbered = len(words) > 1 and words[1].isdigit()
        return f"{words[0]} {int(words[1]) + 1}" if numbered else words[0] or "network"


def _common_prefix(paths: list[str]) -> str:
    """ "net." where everything lies in one child named net."""
    first = {path.partition(".")[0] for path in paths}
    return f"{first.pop()}." if len(first) == 1 else ""


def _last_uses(nodes: list[Node]) -> dict[Node, int]:
    uses = {}
    for place, node in enumerate(nodes):
        for used in node.all_input_nodes:
            uses[used] = place
    return uses


def _variables() -> list[str]:
    return ["x", "y", "z", *(f"x{number}" for number in range(1, 1000))]


def _rank(name: str) -> int:
    return _variables().index(name)


_CALLS: Mapping[type[nn.Module], tuple[Any, ...]] = {
    nn.Conv2d: (aten.conv2d.default, aten.conv2d.padding),
    nn.BatchNorm2d: (aten.batch_norm.default,),
    nn.Linear: (aten.linear.default,),
}


def _constructor(module: nn.Module) -> str:
    """The expression that makes a module like `module`, or "" where a plain one would differ."""
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            return ""
        words = [str(module.in_channels), str(module.out_channels), str(module.kernel_size)]
        plain = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
        for name, default in plain.items():
            if getattr(module, name) != default:
                words.append(f"{name}={getattr(module, name)!r}")
        return f"nn.Conv2d({', '.join(words)}{'' if module.bias is not None else ', bias=False'})"
    if isinstance(module, nn.BatchNorm2d):
        if not module.affine or not module.track_running_stats or module.momentum is None:
            return ""
        return f"nn.BatchNorm2d({module.num_features}, eps={module.eps}, momentum={module.momentum})"
    if isinstance(module, nn.Linear):
        bias = "" if module.bias is not None else ", bias=False"
        return f"nn.Linear({module.in_features}, {module.out_features}{bias})"
    return ""


_Format = Callable[[list[str], Mapping[str, str]], str]


def _function(name: str) -> _Format:
    return lambda args, more: f"{name}({', '.join([*args, *(f'{k}={v}' for k, v in more.items())])})"


def _infix(sign: str) -> _Format:
    return lambda args, more: "" if more else f"{args[0]} {sign} {args[1]}"


def _slice(args: list[str], more: Mapping[str, str]) -> str:
    if more or len(args) != 4 or not args[1].isdigit():
        return ""
    end = "" if args[3] == str(2**63 - 1) else args[3]
    return f"{args[0]}[{':, ' * int(args[1])}{args[2]}:{end}]"


_PLAIN: Mapping[Any, _Format] = {
    aten.relu.default: _function("F.relu"),
    aten.relu_.default: _function("F.relu"),
    aten.pad.default: _function("F.pad"),
    aten.max_pool2d.default: _function("F.max_pool2d"),
    aten.avg_pool2d.default: _function("F.avg_pool2d"),
    aten.adaptive_avg_pool2d.default: _function("F.adaptive_avg_pool2d"),
    aten.flatten.using_ints: _function("torch.flatten"),
    aten.cat.default: _function("torch.cat"),
    aten.mean.dim: _function("torch.mean"),
    aten.ones_like.default: lambda args, _: f"torch.ones_like({args[0]})",
    aten.slice.Tensor: _slice,
    aten.add.Tensor: _infix("+"),
    aten.add_.Tensor: _infix("+"),
    aten.sub.Tensor: _infix("-"),
    aten.mul.Tensor: _infix("*"),
    aten.div.Tensor: _infix("/"),
    aten.sym_size.int: lambda args, _: f"{args[0]}.shape[{args[1]}]",
}
