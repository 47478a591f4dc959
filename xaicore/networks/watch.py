"""Watch a network while it runs: every tensor it makes, in order, and the last steps again with one changed.

Nothing is traced and no source code is read: PyTorch hands each operation that it runs to a *dispatch mode*,
whatever Python, TorchScript or a compiled module made of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

LAST = 128  # steps kept: what stands between feature maps and scores is far shorter

Key = tuple[int, int | torch.SymInt, torch.Size, tuple[int, ...], torch.dtype]


class Step(NamedTuple):
    """One operation that ran: its function, what it took, and what it gave."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: Any

    @property
    def name(self) -> str:
        """The operation's name as PyTorch's documentation has it, such as "mean"."""
        return str(self.function._schema.name).rsplit("::", 1)[-1].strip("_")

    def tensors(self) -> list[Tensor]:
        """What it gave."""
        return [t for t in tree_flatten(self.out)[0] if isinstance(t, Tensor)]


class Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the last operations that run inside `with Tape() as tape:`, in this thread."""

    def __init__(self, last: int = LAST) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: deque[Step] = deque(maxlen=last)
        self.ran = 0  # steps in all, kept or not

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operation, and keep it."""
        out = func(*args, **(kwargs or {}))
        self.ran += 1
        self.steps.append(Step(func, args, kwargs or {}, out))
        return out


def key(tensor: Tensor) -> Key:
    """What makes two tensors the same one: the same values in memory, read in the same way."""
    storage = tensor.untyped_storage().data_ptr()
    return storage, tensor.storage_offset(), tensor.shape, tensor.stride(), tensor.dtype


def replay(steps: Sequence[Step], swap: dict[Key, Tensor], wanted: Key) -> Tensor | None:
    """Run the steps again with some tensors swapped for others; None if `wanted` depends on none of them.

    Steps that depend on nothing that was swapped are left out: what they gave stands.
    """
    now = dict(swap)
    copied: dict[int, torch.UntypedStorage] = {}  # memory that a step writes into, by its address

    def depends(which: Key) -> bool:
        return which in now or which[0] in copied

    def present(tensor: Tensor) -> Tensor:
        which = key(tensor)
        if which in now or which[0] not in copied:
            return now.get(which, tensor)
        return _read(copied[which[0]], which)

    with torch.no_grad():
        for step in steps:
            if not any(depends(key(t)) for t in _tensors(step.args, step.kwargs)):
                continue
            for written in _written(step):
                if not depends(key(written)):  # the recorded tensor must stay as it is, with all views of it
                    copied[key(written)[0]] = written.untyped_storage().clone()  # type: ignore[no-untyped-call]
            args, kwargs = tree_map_only(Tensor, present, (step.args, step.kwargs))
            out = step.function(*args, **kwargs)
            for old, new in zip(tree_flatten(step.out)[0], tree_flatten(out)[0], strict=True):
                if isinstance(old, Tensor):
                    now[key(old)] = new
        if wanted in now or wanted[0] not in copied:
            return now.get(wanted)
        return _read(copied[wanted[0]], wanted)


def _read(storage: torch.UntypedStorage, which: Key) -> Tensor:
    """The tensor of that key in another piece of memory."""
    _, offset, shape, stride, dtype = which
    return torch.empty(0, dtype=dtype, device=storage.device).set_(storage, int(offset), shape, stride)


def _tensors(*nested: Any) -> Iterator[Tensor]:
    return (t for t in tree_flatten(nested)[0] if isinstance(t, Tensor))


def _written(step: Step) -> Iterator[Tensor]:
    """What the operation writes into, as `x.relu_()` does into x."""
    names = [argument.name for argument in step.function._schema.arguments]
    given = dict(zip(names, step.args, strict=False)) | step.kwargs
    for argument in step.function._schema.arguments:
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from _tensors(given.get(argument.name))
