"""SGD over the parameters that took part in a step.

torch's optimisers walk over every parameter they own at each step; a supernet owns thousands, of which a step
uses a few dozen. `SparseSGD` walks over the used ones only, so a step's cost does not grow with the number of
options, and unused options keep weights and momentum untouched (as in ProxylessNAS: their gradients are None).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class SparseSGD:
    """SGD with momentum, optional Nesterov, and L2: the update rule of torch.optim.SGD with dampening 0.

    v <- momentum*v + g + weight_decay*w;   w <- w - lr*(g + momentum*v) with Nesterov, else w - lr*v

    Parameters with fewer than two dimensions (biases, batch norm) are not decayed.
    """

    def __init__(
        self, *, momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0, decay_norm: bool = False
    ) -> None:
        self.momentum = momentum
        self.nesterov = nesterov
        self.weight_decay = weight_decay
        self.decay_norm = decay_norm
        self._velocity: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def step(self, parameters: Sequence[nn.Parameter], lr: float) -> None:
        """Update `parameters` (those of this step) from their gradients, then drop the gradients."""
        used: list[Tensor] = [p for p in parameters if p.grad is not None]
        if not used:
            return
        grads = [p.grad for p in used if p.grad is not None]
        if self.weight_decay:
            decayed = [(g, p) for g, p in zip(grads, used, strict=True) if p.dim() > 1 or self.decay_norm]
            if decayed:
                torch._foreach_add_([g for g, _ in decayed], [p for _, p in decayed], alpha=self.weight_decay)
        if self.momentum:
            velocity = [self._velocity_of(p) for p in used]
            torch._foreach_mul_(velocity, self.momentum)
            torch._foreach_add_(velocity, grads)
            if self.nesterov:
                torch._foreach_add_(grads, velocity, alpha=self.momentum)
            else:
                grads = velocity
        torch._foreach_add_(used, grads, alpha=-lr)
        for p in used:
            p.grad = None

    def _velocity_of(self, parameter: Tensor) -> Tensor:
        if parameter not in self._velocity:
            self._velocity[parameter] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return self._velocity[parameter]

    def copied(self, net: nn.Module, copy: nn.Module) -> SparseSGD:
        """One with the same settings for `copy`, which goes on from the velocities that `net` has here."""
        made = SparseSGD(momentum=self.momentum, nesterov=self.nesterov, weight_decay=self.weight_decay,
                         decay_norm=self.decay_norm)  # fmt: skip
        made.load(copy, self.state(net))
        return made

    def state(self, net: nn.Module) -> dict[str, Any]:
        """Velocity by parameter name."""
        return {name: self._velocity[p] for name, p in net.named_parameters() if p in self._velocity}

    def load(self, net: nn.Module, state: dict[str, Any]) -> None:
        """Restore what `state` returned for the same network."""
        self._velocity = {}
        for name, parameter in net.named_parameters():
            if name in state:
                self._velocity[parameter] = torch.empty_like(parameter).copy_(state[name])


@torch.no_grad()
def clip_gradients(parameters: Sequence[nn.Parameter], limit: float) -> Tensor | None:
    """Scale the gradients so that their joint 2-norm is at most `limit`; returns the norm before, on the device.

    Uses no device sync: the factor stays a tensor. `limit` 0 means no clipping (returns None).
    """
    grads = [p.grad for p in parameters if p.grad is not None]
    if not limit or not grads:
        return None
    norm: Tensor = torch.linalg.vector_norm(torch.stack(list(torch._foreach_norm(grads))))
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(grads, factor)
    return norm
