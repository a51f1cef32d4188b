"""Messages among the processes of a walk, each of which has a share of each mini-batch, and the whole model.

    a step        the averaged gradients of the parameters that it changes: the base model's, or the generator's
    a scored period, a ranked or herded mini-batch        the results of each process about its rows

Parameters, moments, history and state are never sent. They are equal on all processes, since these start from the same
values and take the same steps. A process has only some rows of sharded tables, see :mod:`asmg_pl.distributed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torchmetrics.utilities.distributed import gather_all_tensors


def several() -> bool:
    """Whether there are several processes."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def gathered(rows: Tensor) -> Tensor:
    """Gather the rows of all shares of a mini-batch in its order, [total, …]; this process's share is [B, …]."""
    return torch.cat(gather_all_tensors(rows)) if several() else rows


def averaged(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Average each tensor over the processes. All processes have tensors of the same shapes, and of one type.

    Sent: one all-reduce of all tensors together.
    """
    if not several() or not tensors:
        return list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    pieces = flat.split([tensor.numel() for tensor in tensors])
    return [piece.view_as(tensor) for piece, tensor in zip(pieces, tensors, strict=True)]


def summed(tensor: Tensor) -> Tensor:
    """Add a tensor up over the processes, in place; all of them have the same shape."""
    if several():
        dist.all_reduce(tensor)
    return tensor


@torch.no_grad()
def average_gradients(
    parameters: Iterable[nn.Parameter], by_rows: Sequence[nn.Parameter] = (), own: Sequence[nn.Parameter] = ()
) -> None:
    """Replace gradients by their means over the processes. A missing gradient counts as zero.

    Sent: one all-reduce of all dense gradients, and for tables with sparse gradients one all-gather of the touched rows
    and their numbers.

    Args:
        parameters: the parameters of an optimiser; those that require no gradient are left out.
        by_rows: the tables whose gradient may be sparse. On some processes it may be dense.
        own: sharded tables, of whose rows each is on one process only. Their gradients are sums over the processes
            already, so nothing is sent.
    """
    sums = {id(table) for table in own}
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in trained:
        if id(parameter) in sums and parameter.grad is not None:
            parameter.grad /= dist.get_world_size()  # a sum over all shares, of which the others take the mean
    moved = [parameter for parameter in trained if id(parameter) not in sums]
    tables = [table for table in by_rows if any(table is parameter for parameter in moved)]
    sparse = {id(table) for table in _average_rows(tables)}
    dense = [parameter for parameter in moved if id(parameter) not in sparse]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.to_dense() for p in dense]
    for parameter, gradient in zip(dense, averaged(gradients), strict=True):
        parameter.grad = gradient


def _average_rows(tables: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Average the gradients that are sparse on all processes, and return their tables."""
    if not tables:
        return []
    own = [None if t.grad is None or not t.grad.is_sparse else t.grad.coalesce() for t in tables]
    # A dense gradient on one process makes a table dense on all, so that every process sends the same messages.
    counts = torch.tensor([-1 if g is None else len(g.values()) for g in own], device=tables[0].device)
    of_all = _gathered(counts, [len(tables)] * dist.get_world_size()).view(-1, len(tables)).T.tolist()
    taken = []
    for table, gradient, rows in zip(tables, own, of_all, strict=True):
        if gradient is None or min(rows) < 0:
            continue
        ids = _gathered(gradient.indices()[0], rows)
        slopes = _gathered(gradient.values(), rows) / len(rows)
        table.grad = torch.sparse_coo_tensor(ids[None], slopes, table.shape)
        taken.append(table)
    return taken


def _gathered(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """Gather the rows of all processes in the order of ranks; the number of rows of each process is given."""
    most = max(1, *counts)
    padded = rows.new_zeros(most, *rows.shape[1:])  # an all-gather needs equal shapes
    padded[: len(rows)] = rows
    everything = rows.new_empty(most * len(counts), *rows.shape[1:])
    dist.all_gather_into_tensor(everything, padded)
    return torch.cat([piece[:count] for piece, count in zip(everything.split(most), counts, strict=True)])


def without_reduction(model: nn.Module | None) -> AbstractContextManager[None]:
    """A context in which DDP's wrapper, if the model is in one, leaves gradients alone.

    The wrapper would send the gradients of all parameters in each step, also of the tables when only the generator is
    trained, and it cannot send sparse gradients.
    """
    return model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext()
