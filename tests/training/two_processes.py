"""Run by test_loop.py: losses and gradients of a shared batch, by one process and by two.

    python tests/training/two_processes.py FOLDER --> FOLDER/1.pt, FOLDER/2.pt

The two are forked from the one, which has imported everything, and find each other as those do that
a launcher starts (test_processes.py starts one).

Every process takes its share of one fixed batch; process 0 writes the losses and the gradients
that an optimiser would see, for every entry of CONFIGS. With one process the same lines give the
joint batch.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from many_launches import free_port, join

from reclf.config import ModelConfig, TrainConfig, from_dict
from reclf.data.batch import Batch, DistinctWords
from reclf.data.terms import term_hashes
from reclf.models.reclf import RECLF
from reclf.models.relations.pooling import MeanPooling
from reclf.training.choices import aside, choose
from reclf.training.processes import JointModel, batch_losses, host_group, leave_processes

STUDIES = 6
TERMS = ("ab", "bc", "", "", "abc", None)
# Reports of the studies, then those that are false of a study: three of the first process's.
WORDS = torch.tensor([3, 1, 5, 0, 4, 2, 4, 5, 3, 4])
NEGATIVES = torch.tensor([[6, -1], [-1, -1], [7, 8], [-1, -1], [-1, 9], [-1, -1]])
TEXTS = ("input_ids", "attention_mask", "word_ids", "word_mask", "sentences", "report_keys")


def joint_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    word_ids = torch.arange(-1, 6).expand(len(WORDS), 7).clone()
    present = (word_ids >= 0) & (word_ids < WORDS[:, None])
    special = torch.zeros_like(present)
    special[:, 0] = True
    return Batch(
        pixels=torch.rand(STUDIES, 1, 64, 64, generator=generator).double(),
        input_ids=torch.randint(3, 10, (len(WORDS), 7), generator=generator),  # few, that repeat
        attention_mask=(present | special).long(),
        word_ids=word_ids.where(present, -1),
        word_mask=torch.arange(6) < WORDS[:, None],
        sentences=torch.zeros(len(WORDS), 6, dtype=torch.long),
        # studies 0 and 4 have one text
        report_keys=torch.tensor([1, 2, 3, 4, 1, 5, 6, 7, 8, 9]),
        negatives=NEGATIVES,
        terms=torch.stack([torch.stack([term_hashes(one)] * 2) for one in TERMS]),
    )


def part_of(batch: Batch, first: int, share: int) -> Batch:
    """Some studies of a batch, with the reports that are false of them."""
    negatives = batch.negatives[first : first + share].clone()
    further = negatives[negatives >= 0]
    negatives[negatives >= 0] = torch.arange(share, share + len(further))
    rows = torch.cat([torch.arange(first, first + share), further])
    texts = {name: getattr(batch, name)[rows] for name in TEXTS}
    of_studies = {name: getattr(batch, name)[first : first + share] for name in ("pixels", "terms")}
    numbers = torch.zeros_like(texts["sentences"][:share])
    known: dict[tuple[int, int], int] = {}  # every word is one token
    for row, count in enumerate(WORDS[rows[:share]]):
        for k, token in enumerate(texts["input_ids"][row, 1 : 1 + count].tolist()):
            numbers[row, k] = known.setdefault((k, token), 6 * row + k)
    first, own = numbers.unique(return_inverse=True)
    distinct = DistinctWords(first, own)
    return replace(batch, **texts, **of_studies, negatives=negatives, distinct=distinct)


class ReadsValues(MeanPooling):
    """What cannot be known without values."""

    def forward(self, pairs):
        assert pairs.cosines.sum().item() < 1e9
        return super().forward(pairs)


def model(name: str) -> RECLF:
    torch.manual_seed(0)
    bert = {"model_type": "bert", "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 2}
    bert |= {"num_attention_heads": 2, "intermediate_size": 14, "max_position_embeddings": 24}
    bert |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    # A ViT: BatchNorm's statistics belong to a process, so a ResNet would differ by design.
    vit = {"model_type": "vit", "num_channels": 1, "image_size": 64, "patch_size": 16}
    vit |= {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}
    vit |= {"intermediate_size": 16}
    settings = {
        "word_source": "embedding",
        "image_tower": {"config": vit},
        "text_tower": {"config": bert},
        "image_size": 64,
        "embed_dim": 6,
        "matching_dim": 7,
    }
    own = {"aggregator": "own:ReadsValues"}
    settings |= own if name == "own" else {"aggregator_options": {"importance_loss": 0.5}}
    given = ReadsValues if name == "own" else None
    made = RECLF(from_dict(ModelConfig, settings), aggregator=given).double()
    if name == "all":
        made.image_encoder.tower.pooler = None  # what it makes is used by nobody
    return made


# With "distinct", words that repeat are matched once; the others take each as it stands.
LABELS = {"labels": 0.2, "text": 0.0}
CONFIGS = {
    "distinct": TrainConfig(precision="no"),
    "all": TrainConfig(
        identity_aware=True, pair_chunk=2, precision="no", soft_targets={"labels": 0.2, "text": 0.3}
    ),
    "shortlist": TrainConfig(
        shortlist=2, encoder_chunk=2, checkpoint_pairs=True, precision="no", soft_targets=LABELS
    ),
    "own": TrainConfig(precision="no"),  # nobody knows which have no gradient
}


def measure(path: Path) -> None:
    accelerator = Accelerator(cpu=True, kwargs_handlers=[DistributedDataParallelKwargs()])
    share = STUDIES // accelerator.num_processes
    first = accelerator.process_index * share
    batch = joint_batch()
    own = part_of(batch, first, share)
    found, unused = {}, {}
    for name, config in CONFIGS.items():
        own_model = model(name)
        several = accelerator.num_processes > 1
        config, chosen = choose(own_model, config, accelerator, host_group(accelerator))
        with aside(own_model, chosen.get("set_aside", ())):
            wrapped = accelerator.prepare(JointModel(own_model) if several else own_model)
        losses = batch_losses(wrapped, own, config, accelerator)
        accelerator.backward(sum(losses.values()))
        gradients = {n: p.grad for n, p in own_model.named_parameters() if p.grad is not None}
        values = {**{k: v.detach() for k, v in losses.items()}, **gradients}
        found |= {f"{name} {key}": value for key, value in values.items()}
        unused[name] = chosen.get("find_unused_parameters")
        del wrapped  # refers to the group of processes, which is left below
        accelerator.free_memory()
    if accelerator.is_main_process:
        torch.save((accelerator.num_processes, unused, found), path)
    accelerator.wait_for_everyone()
    leave_processes()


def main(folder: Path) -> None:
    port, children = free_port(), []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            join(rank, port)
            torch.set_num_threads(2)
            measure(folder / "2.pt")
            return
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0, "one of the two processes failed"
    measure(folder / "1.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
