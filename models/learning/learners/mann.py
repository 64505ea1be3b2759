"""Memory-augmented neural network (MANN), model-based."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot, pad, softplus
from typing_extensions import override

from models.learning.learners import Learner, Scorer


@dataclass(frozen=True)
class State:
    """What the network carries from photo to photo, for B sequences at once.

    hidden, cell [B, H]; memory [B, M, W]; usage [B, M]; reads, the last read weights [B, R, M]
    """

    hidden: Tensor
    cell: Tensor
    memory: Tensor
    usage: Tensor
    reads: Tensor

    def repeat(self, times: int) -> "State":
        """One sequence (B = 1) that goes on in `times` different ways."""
        return State(
            *(x.expand(times, *x.shape[1:]) for x in (self.hidden, self.cell, self.memory, self.usage, self.reads))
        )


@dataclass(frozen=True)
class Look:
    """One step's reading: hidden, cell [B, H]; keys [B, R, W]; reads [B, R, M]; found, what was read, [B, R * W]."""

    hidden: Tensor
    cell: Tensor
    keys: Tensor
    reads: Tensor
    found: Tensor


class Mann(Learner):
    """An LSTM reads the support set photo by photo and keeps what it saw in an external memory.

    Santoro, Bartunov, Botvinick, Wierstra, Lillicrap: Meta-learning with memory-augmented neural networks, 2016,
    https://arxiv.org/abs/1605.06065. As there, reading is by cosine similarity, and writing is by least recently used
    access: each head writes to the slot that it read last or to one that has long not been used, a learned gate
    decides, and the least used slot is erased first.

    Different from the paper: a support photo comes together with its label, and not one step before it. The delay keeps
    the paper's single stream honest, where photos are both asked about and learned from; here queries carry no label.
    Cosines are multiplied by a learned strength that starts at 10 (neural Turing machines have one too), because a
    softmax over plain cosines is close to uniform and takes long to learn anything. A Conv-4 precedes the controller.

    hidden: units of the controller; slots, width: of the memory. With fewer slots than heads x support photos the first
    photos are forgotten. usage_decay: how much of a slot's past use still counts one photo later
    """

    inductive = True
    any_ways = False

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        ways: int,
        hidden: int = 200,
        slots: int = 128,
        width: int = 40,
        heads: int = 4,
        usage_decay: float = 0.95,
    ) -> None:
        super().__init__(backbone)
        self.ways, self.slots, self.width, self.heads, self.usage_decay = ways, slots, width, heads, usage_decay
        self.controller = nn.LSTMCell(features + ways, hidden)
        self.keys = nn.Linear(hidden, heads * width)
        self.strengths = nn.Linear(hidden, heads)
        nn.init.constant_(self.strengths.bias, 10.0)
        self.gate = nn.Parameter(torch.full((heads, 1), -3.0))
        self.output = nn.Linear(hidden + heads * width, ways)

    @override
    def adapt(self, support: Tensor, labels: Tensor) -> Scorer:
        given = one_hot(labels, self.ways).to(support.dtype)
        state = self._empty(support)
        for photo, label in zip(support, given, strict=True):
            looked = self._read(state, torch.cat([photo, label])[None])
            state = self._write(state, looked)

        def score(queries: Tensor) -> Tensor:
            # Queries only read: what one of them shows must not answer for the next.
            looked = self._read(state.repeat(len(queries)), pad(queries, (0, self.ways)))
            scores: Tensor = self.output(torch.cat([looked.hidden, looked.found], dim=1))
            return scores

        return score

    def _empty(self, like: Tensor) -> State:
        hidden, usage = like.new_zeros(1, self.controller.hidden_size), like.new_zeros(1, self.slots)
        memory, reads = like.new_zeros(1, self.slots, self.width), like.new_zeros(1, self.heads, self.slots)
        return State(hidden, hidden, memory, usage, reads)

    def _read(self, state: State, inputs: Tensor) -> Look:
        """Inputs [B, F + N], a photo and its label (zeros for a query)."""
        hidden, cell = self.controller(inputs, (state.hidden, state.cell))
        keys = torch.tanh(self.keys(hidden)).view(-1, self.heads, self.width)
        cosines = normalize(keys, dim=2) @ normalize(state.memory, dim=2).transpose(1, 2)
        strengths = softplus(self.strengths(hidden)).unsqueeze(2)
        reads = torch.softmax(strengths * cosines, dim=2)
        return Look(hidden, cell, keys, reads, (reads @ state.memory).flatten(1))

    def _write(self, state: State, look: Look) -> State:
        # The least used slots, one for each head, as one-hot rows [B, R, M].
        least_used = one_hot(state.usage.topk(self.heads, largest=False).indices, self.slots).to(look.keys.dtype)
        gate = torch.sigmoid(self.gate)
        writes = gate * state.reads + (1 - gate) * least_used
        kept = 1 - least_used.sum(dim=1).unsqueeze(2)
        memory = state.memory * kept + writes.transpose(1, 2) @ look.keys
        usage = self.usage_decay * state.usage + look.reads.sum(dim=1) + writes.sum(dim=1)
        return State(look.hidden, look.cell, memory, usage, look.reads)
