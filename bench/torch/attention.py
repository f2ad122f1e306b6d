"""The kernels of packages/attention as PyTorch's users would write them, on q, k, v [B, N, L, D].

`turn`, a rotary embedding, is the last argument of each but FlexAttention.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-6

Kernel = Callable[..., Tensor]
Turn = Callable[[Tensor], Tensor]


def unturned(x: Tensor) -> Tensor:
    return x


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, turn: Turn = unturned) -> Tensor:
    return F.scaled_dot_product_attention(turn(q), turn(k), v)


def linear_attention(q: Tensor, k: Tensor, v: Tensor, turn: Turn = unturned) -> Tensor:
    """The rotary embedding turns the numerator alone, so that the denominator stays positive."""
    q, k = q.relu(), k.relu()
    numerator = turn(q) @ (turn(k).transpose(-2, -1) @ v)
    denominator = q @ k.sum(-2, keepdim=True).transpose(-2, -1)
    return numerator / (denominator + EPS)


def linear_by_einsum(q: Tensor, k: Tensor, v: Tensor, turn: Turn = unturned) -> Tensor:
    q, k = q.relu(), k.relu()
    numerator = torch.einsum("bnld,bnde->bnle", turn(q), torch.einsum("bnld,bnle->bnde", turn(k), v))
    denominator = torch.einsum("bnld,bnd->bnl", q, k.sum(2))
    return numerator / (denominator + EPS).unsqueeze(-1)


def window_mask(length: int, window: int) -> Tensor:
    """True where a query of a block sees a key of it or its neighbours: [blocks, window, 3 window]."""
    blocks = -(-length // window)
    first = (torch.arange(blocks) * window).view(-1, 1, 1)
    query = first + torch.arange(window).view(-1, 1)
    key = first - window + torch.arange(3 * window)
    return ((key - query).abs() <= window) & (key >= 0) & (key < length)


def cut_windows(q: Tensor, k: Tensor, v: Tensor, blocks: int, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Blocks of queries [B, N, blocks, w, D] and the keys and values around them [B, N, blocks, D, 3 w]."""
    tail = blocks * window - q.shape[2]
    queries = F.pad(q, (0, 0, 0, tail)).unflatten(2, (blocks, window))
    keys, values = (F.pad(x, (0, 0, window, window + tail)).unfold(2, 3 * window, window) for x in (k, v))
    return queries, keys, values


def window_by_products(mask: Tensor, q: Tensor, k: Tensor, v: Tensor, turn: Turn = unturned) -> Tensor:
    length, dim = q.shape[2:]
    queries, keys, values = cut_windows(turn(q), turn(k), v, *mask.shape[:2])
    scores = (queries * dim**-0.5) @ keys
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
    return (weights @ values.transpose(-2, -1)).flatten(2, 3)[:, :, :length]


def window_by_sdpa(mask: Tensor, q: Tensor, k: Tensor, v: Tensor, turn: Turn = unturned) -> Tensor:
    length = q.shape[2]
    queries, keys, values = cut_windows(turn(q), turn(k), v, *mask.shape[:2])
    out = F.scaled_dot_product_attention(
        queries.flatten(0, 1),
        keys.transpose(-2, -1).flatten(0, 1),
        values.transpose(-2, -1).flatten(0, 1),
        attn_mask=mask,
    )
    return out.view(queries.shape).flatten(2, 3)[:, :, :length]


def gated(local: Kernel, q: Tensor, k: Tensor, v: Tensor, gate: Tensor, turn: Turn = unturned) -> Tensor:
    return torch.lerp(local(q, k, v, turn), linear_attention(q, k, v, turn), gate)


def create_window_by_flex(length: int, window: int) -> Kernel:
    """FlexAttention. On a CPU it has no gradient, must be compiled, and nothing may be fused to its output."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    mask = create_block_mask(
        lambda b, n, query, key: (query - key).abs() <= window, None, None, length, length, device="cpu", BLOCK_SIZE=64
    )
    return lambda q, k, v: flex_attention(q.detach(), k.detach(), v.detach(), block_mask=mask)


def create_kernels(kind: str, length: int, window: int, flex: bool = False) -> dict[str, Kernel]:
    """The ways to write a kind, by name, FlexAttention among them if asked for; masks are made once."""
    if kind == "softmax":
        return {"sdpa": softmax_attention}
    if kind == "linear":
        return {"products": linear_attention, "einsum": linear_by_einsum}
    mask = window_mask(length, window)
    windows = {"products": partial(window_by_products, mask), "sdpa": partial(window_by_sdpa, mask)}
    if kind == "local":
        return {**windows, **({"flex": create_window_by_flex(length, window)} if flex else {})}
    if kind == "glga":
        return {name: partial(gated, local) for name, local in windows.items()}
    raise ValueError(f"kind is '{kind}'; expected softmax, linear, local or glga")
