"""Commands of the documents as a reader pastes them, made small: on tiny data, in few steps.

    block of a page or a notebook's header --lines, continued ones joined--> commands
        --data paths: tiny copies; steps and studies: few--> arguments to run

Runs that a block names and does not make are copies of one that was made once.
"""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml
from pages import ROOT, blocks, read

HISTORY = {Path("docs/LOG.md"), Path("CHANGELOG.md")}  # name commands of their day

# Small towers that need no download.
TOWERS = {
    "model.image_tower": {
        "name": "", "config": {"model_type": "resnet", "num_channels": 1, "embedding_size": 8,
        "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "layer_type": "basic"},
    },
    "model.text_tower": {
        "name": "", "config": {"model_type": "bert", "hidden_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 160},
    },
    "model.embed_dim": 8,
    "model.matching_dim": 8,
    "model.word_source": "last",
}  # fmt: skip
FEW_STEPS = {
    "train.max_steps": 2,
    "train.batch_size": 4,
    "train.val_studies": 8,
    "train.device": "cpu",
    "data.workers": 0,
}
PHANTOM = {"data.options": {"length": 24}, "model.image_size": 64}
FEW = {
    "pretrain": {"minutes": 0, "steps": 2, "batch_size": 4, "studies": 24},
    "ablation": {"seeds": 1, "steps": 1, "gallery": 8, "pairs": 2, "labelled": 8},
    "attribution": {"n_cases": 2, "curve_steps": 3, "samples": 2, "gradient_steps": 2},
    "benchmark": {"small": True},
    "explore": {"n_cases": 2, "n_gallery": 4},
    "find": {"n_gallery": 8, "n_found": 2},
    "oracle": {"steps": 20, "pairs": 16, "val_pairs": 4},
    "relations": {"gallery": 8, "pairs": 2, "training_reports": 20},
    "segmentation": {"steps": 2},
}
# Of the phantom's splits, where the line does not say; the copies of other data sets are small.
FEW_STUDIES = {
    "grounding": {"studies": 12},
    "linear_probe": {"train_studies": 60, "val_studies": 24, "studies": 24},
    "retrieval": {"studies": 24},
    "segmentation": {"train_studies": 24, "val_studies": 12, "studies": 12},
    "zero_shot": {"studies": 24},
}


@dataclass(frozen=True)
class Block:
    """Commands that stand together: a reader pastes them one after the other."""

    page: str
    number: int
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"

    @property
    def made(self) -> set[str]:
        """Run folders that its commands make."""
        made = re.findall(r"(?:-p run_dir|--run-dir|-p folder|-p out) (runs/\w+)", self.text)
        made += ["runs/ablation"] * self.text.count("notebooks/study/ablation.ipynb")
        made += re.findall(r"make pretrain RUN=(runs/\w+)", self.text)
        return {*made, *(["runs/first"] if "make pretrain" in self.text else [])}

    @property
    def needed(self) -> set[str]:
        """Run folders that must be there."""
        named = set(re.findall(r"\bruns/\w+(?![\w.])", self.text)) - self.made
        if "make evaluate" in self.text:
            named.add("runs/first")
        return named | ({"runs/first", "runs/lab"} if "'runs/*'" in self.text else set())

    @property
    def text(self) -> str:
        return "\n".join(self.commands)


def all_blocks() -> list[Block]:
    """Of README.md, docs/*.md, notebooks/README.md and the headers of all notebooks."""
    names = [Path("README.md"), *sorted((ROOT / "docs").glob("*.md")), Path("notebooks/README.md")]
    pages = [path.relative_to(ROOT) if path.is_absolute() else path for path in names]
    texts = {str(page): read(page) for page in pages if page not in HISTORY}
    for path in sorted((ROOT / "notebooks").glob("**/*.ipynb")):
        header = nbformat.read(path, as_version=4).cells[0]
        if header.cell_type == "markdown":
            texts[str(path.relative_to(ROOT))] = header.source
    found = []
    for page, text in texts.items():
        for number, block in enumerate(blocks(text, "") + blocks(text, "bash")):
            joined = re.sub(r"\\\n\s*", "", block)
            lines = [line.strip() for line in _whole_lines(joined)]
            if any(_SETTINGS.sub("", line).split()[0] in STARTS for line in lines if line):
                found.append(Block(page, number, tuple(filter(None, lines))))
    return found


_SETTINGS = re.compile(r"^(?:[A-Z_]+=\S* )+")  # of the environment, for one command
STARTS = (
    "papermill", "python", "make", "mkdir", "cp", "git", "accelerate", "torchrun", "srun", "sbatch",
    "cat",
)  # fmt: skip
# A suite for every line of the paper's table: two trainings, and one task of each.
SUITE = {
    "folder": "runs/paper_table",
    "data": {"phantom": {"options": PHANTOM["data.options"]}},
    "train": {
        "preset": "phantom_small",
        "data": "phantom",
        "variants": ["reclf", "mean"],
        "seeds": [0],
        "overrides": FEW_STEPS | TOWERS | PHANTOM,
    },
    "tasks": {"retrieval": FEW_STUDIES["retrieval"]},
}


def _whole_lines(text: str) -> list[str]:
    """Lines, one where a quote goes on behind the end of a line, and a file with its content."""
    lines: list[str] = []
    end = None
    for line in text.splitlines():
        if end:
            lines[-1] += "\n" + line
            end = None if line == end else end
        elif lines and lines[-1].count("'") % 2:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
            end = next(iter(re.findall(r"<<'(\w+)'$", line)), None)
    return lines


def on_tiny_data(command: str, data: Path) -> str:
    """A command with its paths to data led into a folder of tiny copies."""
    command = re.sub(r"(?<![\w/.])(?:/path/to|/data|DATA)/", f"{data}/", command)
    command = re.sub(r"\bMINILM\b", f"{data}/minilm", command)
    command = re.sub(r"\bDATA\b(?!/)", f"{data}/folder_with_manifest", command)
    return re.sub(r"make_5x200\((.*?)\)(?=['\"]?$)", r"make_5x200(\1, per_class=1)", command)


def few(notebook: str, parameters: dict) -> dict:
    """What a papermill line must be given more, so that it ends in seconds.

    Args:
        notebook: its name without folder and ending.
        parameters: of the line.
    """
    unsaid = FEW_STUDIES.get(notebook, {}).keys() - parameters.keys()
    more = FEW.get(notebook, {}) | {name: FEW_STUDIES[notebook][name] for name in unsaid}
    if notebook in ("pretrain", "ablation"):
        preset = parameters.get("preset", "phantom_small")
        is_phantom = preset == "phantom_small" and "data_root" not in parameters
        is_phantom &= "data.root" not in parameters.get("overrides", {})
        more["overrides"] = _merged(
            FEW_STEPS,
            PHANTOM if is_phantom else {},
            TOWERS,
            parameters.get("overrides", {}),
        )
    if notebook == "ablation":
        more["overrides"].pop("train.max_steps")
        more["variants"] = parameters.get("variants", ["mean", "srm"])[:2]
        if "steps_of" in parameters:
            more["steps_of"] = dict.fromkeys(parameters["steps_of"], 1)
    if notebook == "retrieval" and "k" in parameters:
        more["k"] = 2  # the galleries are small
    return more


def _merged(*settings: dict) -> dict:
    """The last one wins; dictionaries in it merge, as `reclf.config.override` merges them."""
    found: dict = {}
    for part in settings:
        for name, value in part.items():
            merges = isinstance(value, dict) and isinstance(found.get(name), dict)
            found[name] = found[name] | value if merges else value
    return found


def parameters_of(words: list[str]) -> dict:
    """The parameters of a papermill line, as its command line reads them."""
    found: dict = {}
    for option, *rest in zip(words, words[1:], [*words[2:], ""], strict=False):
        if option == "-p":
            try:
                found[rest[0]] = json.loads(rest[1])
            except ValueError:
                found[rest[0]] = rest[1]
        elif option == "-y":
            found |= yaml.safe_load(rest[0])
    return found


def split(command: str) -> list[str]:
    """Words of a command, as a shell splits them, without its comment, what it sets for itself in
    the environment, and the sign that the shell does not wait."""
    words = shlex.split(_SETTINGS.sub("", command), comments=True)
    return words[:-1] if words[-1] == "&" else words
