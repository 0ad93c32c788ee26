"""The LSTM core: several directions at once, with projection and clipping, its backward pass written by hand."""

# ruff: noqa: F722
from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from munmaek.nn.transformer import working_type

_aten = torch.ops.aten


class _Scan(torch.autograd.Function):
    """One LSTM layer over time; see `scan`.

    The input side of all times is one matrix product, and so is each weight's gradient: inside the loop
    over time only what must be there is left, on buffers that are written in place. Products run in `dtype`; gates,
    cells and states are float32.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight_input: Tensor, weight_state: Tensor, bias: Tensor, projection: Tensor | None,
        start: tuple[Tensor, Tensor] | None, clips: tuple[float, float], dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        dirs, seq, batch, _ = inputs.shape
        size = weight_state.shape[1] // 4
        narrow = inputs.to(dtype)
        to_gates = weight_state.to(dtype).transpose(1, 2)
        project = None if projection is None else projection.to(dtype).transpose(1, 2)
        gates = inputs.new_empty((dirs, seq, batch, 4 * size), dtype=torch.float32)
        side = bias.to(dtype)[:, None], narrow.flatten(1, 2), weight_input.to(dtype).transpose(1, 2)
        if dtype == gates.dtype:
            torch.baddbmm(*side, out=gates.flatten(1, 2))
        else:
            gates.flatten(1, 2).copy_(torch.baddbmm(*side))
        cells, tanhs, merged = (gates.new_empty((dirs, seq, batch, size)) for _ in range(3))
        states = merged if project is None else gates.new_empty((dirs, seq, batch, project.shape[2]))
        state, cell = start if start is not None else (None, None)
        for t in range(seq):
            now = gates[:, t]
            if state is not None:
                _add_products(now, state.to(dtype), to_gates)
            now[..., : 3 * size].sigmoid_()
            now[..., 3 * size :].tanh_()
            enter, forget, leave, new = now.split(size, -1)
            torch.mul(enter, new, out=cells[:, t])
            if cell is not None:
                cells[:, t].addcmul_(forget, cell)
            if clips[0]:
                cells[:, t].clamp_(-clips[0], clips[0])
            torch.tanh(cells[:, t], out=tanhs[:, t])
            torch.mul(leave, tanhs[:, t], out=merged[:, t])
            if project is not None:
                states[:, t] = merged[:, t].to(dtype) @ project
                if clips[1]:
                    states[:, t].clamp_(-clips[1], clips[1])
            state, cell = states[:, t], cells[:, t]
        begin = start if start is not None else (None, None)
        ctx.save_for_backward(
            inputs, weight_input, weight_state, projection, gates, cells, tanhs, merged, states, *begin
        )
        ctx.clips, ctx.dtype = clips, dtype
        ctx.mark_non_differentiable(cells)
        return states, cells

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        inputs, weight_input, weight_state, projection, gates, cells, tanhs, merged, states, *start = ctx.saved_tensors
        dtype, clips = ctx.dtype, ctx.clips
        seq = cells.shape[1]
        by_gates = weight_state.to(dtype)
        to_merged = None if projection is None else projection.to(dtype)
        gate_grads = torch.empty_like(gates)
        state_grads = grads[0].float().clone()
        cell_grad = torch.zeros_like(cells[:, 0])
        first = torch.zeros_like(cell_grad) if start[1] is None else start[1]
        for t in range(seq - 1, -1, -1):
            grad = state_grads[:, t]
            if t + 1 < seq:
                _add_products(grad, gate_grads[:, t + 1].to(dtype), by_gates)
            if to_merged is None:
                merged_grad = grad
            else:
                if clips[1]:
                    _through_clip(grad, states[:, t], clips[1])
                merged_grad = (grad.to(dtype) @ to_merged).float()
            enter, forget, leave, new = gates[:, t].chunk(4, -1)
            d_enter, d_forget, d_leave, d_new = gate_grads[:, t].chunk(4, -1)
            cell_grad += _aten.tanh_backward(merged_grad * leave, tanhs[:, t])
            if clips[0]:
                _through_clip(cell_grad, cells[:, t], clips[0])
            before = cells[:, t - 1] if t else first
            d_leave.copy_(_aten.sigmoid_backward(merged_grad * tanhs[:, t], leave))
            d_enter.copy_(_aten.sigmoid_backward(cell_grad * new, enter))
            d_new.copy_(_aten.tanh_backward(cell_grad * enter, new))
            d_forget.copy_(_aten.sigmoid_backward(cell_grad * before, forget))
            cell_grad *= forget
        state_side = _outer(gate_grads[:, 1:], states[:, :-1], dtype)
        if start[0] is not None:
            state_side += _outer(gate_grads[:, :1], start[0][:, None], dtype)
        project_grad = None if projection is None else _outer(state_grads, merged, dtype)
        input_grad = None
        if ctx.needs_input_grad[0]:
            found = gate_grads.flatten(1, 2).to(dtype) @ weight_input.to(dtype)
            input_grad = found.view(inputs.shape).to(inputs.dtype)
        return (
            input_grad, _outer(gate_grads, inputs, dtype), state_side, gate_grads.sum((1, 2)), project_grad,
            None, None, None,
        )  # fmt: skip


def _outer(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """Sums over times and rows of left x right, (dirs, seq, batch, dim) each, to (dirs, left dim, right dim)."""
    return (left.flatten(1, 2).to(dtype).transpose(1, 2) @ right.flatten(1, 2).to(dtype)).float()


def _add_products(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right of each direction, in place; `total` is float32, whatever the type of the factors."""
    if left.dtype == total.dtype:
        total.baddbmm_(left, right)
    else:
        total += left @ right


def _through_clip(grad: Tensor, clipped: Tensor, limit: float) -> None:
    """Set the gradient of values that lie at a limit to 0, in place."""
    grad.copy_(_aten.hardtanh_backward(grad, clipped, -limit, limit))


def scan(
    inputs: Float[Tensor, "dirs seq batch inputs"],
    weight_input: Float[Tensor, "dirs gates inputs"],
    weight_state: Float[Tensor, "dirs gates state"],
    bias: Float[Tensor, "dirs gates"],
    projection: Float[Tensor, "dirs state size"] | None = None,
    start: tuple[Float[Tensor, "dirs batch state"], Float[Tensor, "dirs batch size"]] | None = None,
    cell_clip: float = 0.0,
    state_clip: float = 0.0,
) -> tuple[Float[Tensor, "dirs seq batch state"], Float[Tensor, "dirs seq batch size"]]:
    """An LSTM layer (Hochreiter 1997, Gers 2000) in several directions, each with weights and inputs of its own.

    The gates stand in the order input, forget, output, new value. With `projection` (Sak 2014) the state that is
    handed on is a linear map of the cell's output. Dropped weights are passed as they are to be used.

    Args:
        inputs: each direction's in the order it reads them.
        start: states and cells before the first time, zeros where None; no gradient flows into them.
        cell_clip, state_clip: cells, and projected states, are cut to plus or minus this; 0 leaves them.
    Returns:
        the states and the cells after every time; the cells carry no gradient.
    """
    kind = working_type(inputs)
    given = None if start is None else tuple(part.detach() for part in start)
    with torch.autocast(inputs.device.type, enabled=False):
        return _Scan.apply(inputs, weight_input, weight_state, bias, projection, given, (cell_clip, state_clip), kind)  # type: ignore[return-value]


def scan_simple(
    inputs: Float[Tensor, "seq batch inputs"],
    weight_input: Float[Tensor, "gates inputs"],
    weight_state: Float[Tensor, "gates size"],
    bias: Float[Tensor, " gates"],
    start: tuple[Float[Tensor, "batch size"], Float[Tensor, "batch size"]] | None = None,
) -> tuple[Float[Tensor, "seq batch size"], tuple[Float[Tensor, "batch size"], Float[Tensor, "batch size"]]]:
    """What `scan` does in one direction without projection and clipping: all states, and the last state and cell.

    Torch's own kernel steps through the times, in float32 and in bfloat16: a step of `scan` is some twenty small
    operations, which take longer where layers are small. No gradient flows into `start`, and none out of the cell.
    Deviates in bfloat16: the cell that is handed back is of that type, and so rounded.
    """
    kind = working_type(inputs)
    begin = start or (inputs.new_zeros(inputs.shape[1], weight_state.shape[1]),) * 2
    with torch.autocast(inputs.device.type, enabled=False):
        weights = [_in_torchs_order(part).to(kind) for part in (weight_input, weight_state, bias)]
        states, state, cell = torch._VF.lstm(  # type: ignore[attr-defined]
            inputs.to(kind), [part.detach().to(kind)[None] for part in begin],
            [*weights, torch.zeros_like(weights[2])], True, 1, 0.0, True, False, False,
        )  # fmt: skip
    return states.float(), (state[0].detach().float(), cell[0].detach().float())


def _in_torchs_order(rows: Tensor) -> Tensor:
    """Rows of gates with the output gate last."""
    enter, forget, leave, new = rows.chunk(4)
    return torch.cat([enter, forget, new, leave])


def reading_orders(mask: Bool[Tensor, "batch seq"]) -> Int[Tensor, "2 seq batch"]:
    """Where each direction finds the token that it reads at each time: places in the flattened `(batch, seq)`.

    Forward takes a row's real tokens (`mask` True) from the left, backward from the right; what is no token comes
    last, wherever it stands, so that no state of a real token depends on it.
    """
    batch, seq = mask.shape
    column = torch.arange(seq, device=mask.device)
    late = torch.where(mask, 0, seq)
    orders = torch.stack([(late + column).argsort(1), (late + seq - 1 - column).argsort(1)])
    return (orders + seq * torch.arange(batch, device=mask.device)[:, None]).transpose(1, 2)


def put_back(
    states: Float[Tensor, "2 seq batch dim"], orders: Int[Tensor, "2 seq batch"]
) -> Float[Tensor, "batch seq two_dims"]:
    """States as they were read, at their tokens' places; forward and backward side by side."""
    _, seq, batch = orders.shape
    back = torch.empty_like(orders.flatten(1))
    back.scatter_(1, orders.flatten(1), torch.arange(seq * batch, device=orders.device).expand(2, -1))
    sides = [states[d].flatten(0, 1)[back[d]] for d in range(2)]
    return torch.cat(sides, 1).view(batch, seq, -1)


class LstmLayer(nn.Module):
    """An LSTM layer of any kind: what it holds of matrices are linear maps, as those of `nn.Linear` are."""

    def matrices(self) -> list[nn.Parameter]:
        """Of inputs and states to gates, and the projection where there is one."""
        return [parameter for parameter in self.parameters() if parameter.ndim == 2]


class BiLstm(LstmLayer):
    """Both directions of one LSTM layer.

    Args:
        inputs: width of what is read. size: cells. state: width after the projection; 0 leaves the projection out.
        cell_clip, state_clip: see `scan`. forget_bias: added to the forget gate, not a parameter.
        memory: tokens that the cells are to keep from the start, see `remember`; 0 leaves that to the forget bias.
    """

    def __init__(
        self, inputs: int, size: int, state: int = 0, cell_clip: float = 0.0, state_clip: float = 0.0,
        forget_bias: float = 1.0, memory: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.state = size, state or size
        self.cell_clip, self.state_clip, self.forget_bias = cell_clip, state_clip, forget_bias
        self.weight_input = _both(4 * size, inputs)
        self.weight_state = _both(4 * size, self.state)
        self.biases = _both(4 * size)
        self.projection = _both(state, size) if state else None
        self.memory = memory
        self.reset()

    def reset(self) -> None:
        """Uniform weights whose variance is 2 / (fan in + fan out) (Glorot 2010), zero biases but for the memory's."""
        inputs, gates = self.weight_input[0].shape[1] + self.state, 4 * self.size
        for weight in (*self.weight_input, *self.weight_state):
            nn.init.uniform_(weight, -((6 / (inputs + gates)) ** 0.5), (6 / (inputs + gates)) ** 0.5)
        for weight in self.projection or ():
            bound = (6 / (self.state + self.size)) ** 0.5
            nn.init.uniform_(weight, -bound, bound)
        for bias in self.biases:
            nn.init.zeros_(bias)
            remember(bias, self.memory, self.forget_bias)

    def forward(
        self,
        inputs: Float[Tensor, "dirs seq batch inputs"],
        start: tuple[Float[Tensor, "dirs batch state"], Float[Tensor, "dirs batch size"]] | None = None,
    ) -> tuple[Float[Tensor, "dirs seq batch state"], Float[Tensor, "dirs seq batch size"]]:
        """States and cells after every time; each direction gets its inputs in the order it reads them.

        Of inputs for one direction alone the forward one reads.
        """
        by_input, by_state, bias = (
            torch.stack(list(part)[: len(inputs)]) for part in (self.weight_input, self.weight_state, self.biases)
        )
        offset = torch.zeros_like(bias[0])
        offset[self.size : 2 * self.size] = self.forget_bias
        projection = None if self.projection is None else torch.stack(list(self.projection)[: len(inputs)])
        return scan(inputs, by_input, by_state, bias + offset, projection, start, self.cell_clip, self.state_clip)


def remember(bias: Float[Tensor, " gates"], tokens: int, forget_bias: float = 0.0) -> None:
    """Start the gates of an LSTM so that its cells keep what they read for times spread up to `tokens`.

    The forget gate's bias becomes log u, u uniform from 1 to `tokens` - 1, and the input gate's -log u (Tallec and
    Ollivier 2018, "Can recurrent neural networks warp time?", arXiv:1804.11188, equation 16): a cell forgets about one
    part in u at each time, and takes in as little. Fewer than 2 tokens leave the bias as it is.

    Args:
        bias: of all gates, in the order of `scan`; changed in place.
        forget_bias: what is added to the forget gate's besides.
    """
    if tokens < 2:
        return
    size = len(bias) // 4
    with torch.no_grad():
        times = torch.empty(size).uniform_(1, max(2, tokens - 1)).log()
        bias[:size], bias[size : 2 * size] = -times, times - forget_bias


def _both(*shape: int) -> nn.ParameterList:
    """A parameter for each direction."""
    return nn.ParameterList([torch.empty(shape), torch.empty(shape)])
