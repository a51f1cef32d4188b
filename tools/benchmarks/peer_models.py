"""DeepFM of other libraries: user, item and the mean of a history, as each library's own trainer takes a step of it."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asmg_pl.data import Batch, Sizes

#: Widths of the hidden layers, and of an embedding.
HIDDEN, WIDTH = [12, 6], 8


class Peer(ABC):
    """A rival's model, its optimiser and its own form of mini-batches. Ids are counted from 1: 0 is padding."""

    def __init__(self, sizes: Sizes, history: int) -> None:
        """Build model and optimiser; without dropout and without penalties.

        Args:
            sizes: numbers of users and items.
            history: items of a history.
        """
        self.users, self.items, self.history = sizes.users + 1, sizes.items + 1, history

    @abstractmethod
    def given(self, batch: Batch) -> Any:
        """A mini-batch in the library's form; making it is not timed."""

    @abstractmethod
    def step(self, given: Any) -> None:
        """A step as the library's trainer takes it."""


def columns(batch: Batch) -> dict[str, Tensor]:
    """Ids counted from 1, so that the padding of a history is 0."""
    real = torch.arange(batch.history.shape[1]) < batch.history_length[:, None]
    return {"user": batch.user + 1, "item": batch.item + 1, "history": (batch.history + 1) * real}


class RecBole(Peer):
    """RecBole has no table that two fields share: histories have another one."""

    def __init__(self, sizes: Sizes, history: int) -> None:
        """See :class:`Peer`."""
        super().__init__(sizes, history)
        enum = importlib.import_module("recbole.utils.enum_type").FeatureType
        kinds = {"user": enum.TOKEN, "item": enum.TOKEN, "history": enum.TOKEN_SEQ}
        rows = {"user": self.users, "item": self.items, "history": self.items}
        config: dict[str, Any] = defaultdict(lambda: None)
        config |= {"LABEL_FIELD": "label", "embedding_size": WIDTH, "device": torch.device("cpu")}
        config |= {"mlp_hidden_size": HIDDEN, "dropout_prob": 0.0, "numerical_features": []}
        dataset = SimpleNamespace(fields=lambda source: [*kinds], field2type=kinds, num=rows.__getitem__)
        made = importlib.import_module("recbole.model.context_aware_recommender.deepfm")
        self.model = made.DeepFM(config, dataset)
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def given(self, batch: Batch) -> Any:
        """See :class:`Peer`."""
        return columns(batch) | {"label": batch.label}

    def step(self, given: Any) -> None:
        """See :class:`Peer`."""
        self.optimizer.zero_grad()
        loss = self.model.calculate_loss(given)
        loss.item()
        loss.backward()
        self.optimizer.step()


class DeepCTR(Peer):
    """deepctr-torch, which takes a mini-batch as one matrix."""

    def __init__(self, sizes: Sizes, history: int) -> None:
        """See :class:`Peer`."""
        super().__init__(sizes, history)
        inputs = importlib.import_module("deepctr_torch.inputs")
        models = importlib.import_module("deepctr_torch.models")
        item = inputs.SparseFeat("history", self.items, WIDTH, embedding_name="item")
        features = [
            inputs.SparseFeat("user", self.users, WIDTH),
            inputs.SparseFeat("item", self.items, WIDTH),
            inputs.VarLenSparseFeat(item, maxlen=history, combiner="mean"),
        ]
        self.model = models.DeepFM(
            features, features, dnn_hidden_units=HIDDEN, l2_reg_linear=0, l2_reg_embedding=0, device="cpu"
        )
        self.model.compile("adam", "binary_crossentropy")
        self.model.train()

    def given(self, batch: Batch) -> Any:
        """See :class:`Peer`."""
        found = columns(batch)
        return torch.cat([found["user"][:, None], found["item"][:, None], found["history"]], 1).float(), batch.label

    def step(self, given: Any) -> None:
        """See :class:`Peer`."""
        rows, label = given
        found = self.model(rows).squeeze(-1)
        self.model.optim.zero_grad()
        loss = self.model.loss_func(found, label, reduction="sum")
        total = loss + self.model.get_regularization_loss() + self.model.aux_loss
        loss.item(), total.item()
        total.backward()
        self.model.optim.step()


class FuxiCTR(Peer):
    """FuxiCTR, whose model is put together from its layers as in its collection of models."""

    def __init__(self, sizes: Sizes, history: int) -> None:
        """See :class:`Peer`."""
        super().__init__(sizes, history)
        features = importlib.import_module("fuxictr.features")
        base = importlib.import_module("fuxictr.pytorch.models").BaseModel
        layers = importlib.import_module("fuxictr.pytorch.layers")
        known = features.FeatureMap("peers", ".")
        plain = {"source": "", "padding_idx": 0}
        known.features = OrderedDict(
            user=plain | {"type": "categorical", "vocab_size": self.users},
            item=plain | {"type": "categorical", "vocab_size": self.items},
            history=plain
            | {"type": "sequence", "vocab_size": self.items, "max_len": history, "share_embedding": "item"}
            | {"feature_encoder": "layers.MaskedAveragePooling()"},
        )
        known.labels, known.num_fields, known.default_emb_dim = ["label"], 3, WIDTH

        class DeepFM(base):  # type: ignore[misc, valid-type]
            def __init__(self) -> None:
                super().__init__(known, model_root=".", metrics=["AUC"], verbose=0)
                self.embedding = layers.FeatureEmbedding(known, WIDTH)
                self.fm = layers.FactorizationMachine(known)
                self.mlp = layers.MLP_Block(3 * WIDTH, output_dim=1, hidden_units=HIDDEN, hidden_activations="ReLU")
                self.compile("adam", "binary_crossentropy", 1e-3)
                self._max_gradient_norm = 10.0
                self.train()

            def forward(self, inputs: Any) -> dict[str, Tensor]:
                found = self.get_inputs(inputs)
                embedded = self.embedding(found)
                logit = self.fm(found, embedded) + self.mlp(embedded.flatten(start_dim=1))
                return {"y_pred": self.output_activation(logit)}

        self.model = DeepFM()

    def given(self, batch: Batch) -> Any:
        """See :class:`Peer`."""
        return columns(batch) | {"label": batch.label}

    def step(self, given: Any) -> None:
        """See :class:`Peer`."""
        self.model.train_step(given).item()


class TorchRechub(Peer):
    """torch-rechub, whose first-order part is a layer on the embeddings."""

    def __init__(self, sizes: Sizes, history: int) -> None:
        """See :class:`Peer`."""
        super().__init__(sizes, history)
        features = importlib.import_module("torch_rechub.basic.features")
        ranking = importlib.import_module("torch_rechub.models.ranking")
        trainers = importlib.import_module("torch_rechub.trainers")
        found = [
            features.SparseFeature("user", self.users, WIDTH),
            features.SparseFeature("item", self.items, WIDTH),
            features.SequenceFeature("history", self.items, WIDTH, pooling="mean", shared_with="item", padding_idx=0),
        ]
        model = ranking.DeepFM(found, found, {"dims": HIDDEN, "dropout": 0.0, "activation": "relu"})
        self.trainer = trainers.CTRTrainer(model, optimizer_params={"lr": 1e-3})
        model.train()

    def given(self, batch: Batch) -> Any:
        """See :class:`Peer`."""
        return columns(batch), batch.label

    def step(self, given: Any) -> None:
        """See :class:`Peer`."""
        rows, label = given
        loss = self.trainer.criterion(self.trainer.model(rows), label) + self.trainer.reg_loss_fn(self.trainer.model)
        self.trainer.model.zero_grad()
        loss.backward()
        self.trainer.optimizer.step()
        loss.item()


class PlainEmbedding(Peer):
    """Plain :class:`torch.nn.Embedding` and torch's fused Adam, as one would write it by hand."""

    def __init__(self, sizes: Sizes, history: int) -> None:
        """See :class:`Peer`."""
        super().__init__(sizes, history)
        rows = {"user": self.users, "item": self.items}
        self.model = nn.ModuleDict({name: nn.Embedding(n, WIDTH) for name, n in rows.items()})
        self.model.update({f"{name}_weight": nn.Embedding(n, 1) for name, n in rows.items()})
        layers = [
            nn.Linear(3 * WIDTH, HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], 1),
        ]
        self.model["mlp"] = nn.Sequential(*layers)
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)

    def given(self, batch: Batch) -> Any:
        """See :class:`Peer`."""
        found = columns(batch)
        share = (found["history"] > 0) / batch.history_length.clamp(min=1)[:, None]
        return found, share[:, None], batch.label

    def step(self, given: Any) -> None:
        """See :class:`Peer`."""
        found, share, label = given
        fields, weights = (
            torch.stack(
                [
                    self.model[f"user{kind}"](found["user"]),
                    self.model[f"item{kind}"](found["item"]),
                    (share @ self.model[f"item{kind}"](found["history"])).squeeze(1),
                ],
                dim=1,
            )
            for kind in ("", "_weight")
        )
        pairs = (fields.sum(1).square() - fields.square().sum(1)).sum(-1) / 2
        logits = weights.sum((1, 2)) + pairs + self.model["mlp"](fields.flatten(1)).squeeze(-1)
        self.optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logits, label).backward()
        self.optimizer.step()


#: The rivals by the names under which they are installed.
PEERS: dict[str, Callable[[Sizes, int], Peer]] = {
    "recbole": RecBole,
    "deepctr-torch": DeepCTR,
    "fuxictr": FuxiCTR,
    "torch-rechub": TorchRechub,
    "nn.Embedding with fused Adam": PlainEmbedding,
}
