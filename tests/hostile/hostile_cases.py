"""Folders of a stranger: what is changed in a small good one, and how its user opens it."""

import json
import os
import shutil
import struct
import zipfile

import numpy as np
import torch
from accelerate import Accelerator
from changes import both, pipe, text, values
from hostile_files import FILES
from small_towers import TOWERS

from reclf.config import RunConfig, from_dict
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.prepare import prepare
from reclf.explain import Explanation
from reclf.models.reclf import RECLF
from reclf.runs.run import Run
from reclf.training.checkpoints import save_state
from reclf.training.schedule import Progress

CODE = "canary_code:Thing"
BEST = "run/checkpoints/best/"


def make_base(folder):
    """A run with a checkpoint, a prepared copy, an explanation, a tower, prompts and a suite."""
    torch.manual_seed(0)
    towers = {
        f"{r}_tower": {"config": TOWERS[n]} for r, n in (("image", "resnet"), ("text", "bert"))
    }
    model = {**towers, "image_size": 32, "embed_dim": 6, "matching_dim": 7}
    config = from_dict(RunConfig, {"model": model})
    run = Run(folder / "run", config)
    made = RECLF(config.model, train_tokenizer(["left effusion", "no nodule"] * 2, 60))
    run.write_checkpoint("best", made.save_pretrained)
    save_state(run, "last", made, torch.optim.AdamW(made.parameters()), Accelerator(), Progress())
    for path in run.folder.rglob("checksums.json"):  # whoever changes a file changes these too
        path.unlink()
    run.set_status("done", step=1)
    run.write_result("zero_shot-x", {"value": 0.5})
    prepare(folder / "copy", "phantom", image_size=32, splits=["test"], length=3, processes=1,
            progress=False)  # fmt: skip
    small = np.zeros((4, 4), np.float32)
    Explanation("a", small, "one", ["one"], np.ones((1, 2, 2), np.float32), np.ones(1, np.float32),
                None, None, {"logit": 1.0}).save(folder / "explanation.npz")  # fmt: skip
    made.export_image_tower(folder / "tower")
    shutil.copytree(folder / BEST / "tokenizer", folder / "tokenizer")


def code_beside(name, **changed):
    """Files of code in a folder, and what names them."""
    code = text(f"{name}/mine.py", "import os\nopen(os.environ['CANARY'], 'w').close()\n")
    return lambda folder: [code(folder), values(f"{name}/config.json", **changed)(folder)]


def weights(content):
    def change(folder):
        (folder / BEST / "model.safetensors").write_bytes(content)

    return change


def array(name, shape, kind="<f4", compressed=b"", pad=0):
    """Put an array of a shape, and of few bytes, into the explanation."""

    def change(folder):
        path = folder / "explanation.npz"
        header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117)
        raw = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"
        with zipfile.ZipFile(path) as old:
            members = {n: old.read(n) for n in old.namelist()}
        members[f"{name}.npy"] = raw + compressed
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
            for member, content in members.items():
                with new.open(member, "w", force_zip64=True) as file:
                    file.write(content)
                    for _ in range(pad if member == f"{name}.npy" else 0):
                        file.write(bytes(2**20))

    return change


def shard(change_info):
    def change(folder):
        path = next((folder / "copy/test/shard-00000").glob("dataset_info.json"))
        content = json.loads(path.read_text())
        change_info(content)
        path.write_text(json.dumps(content))

    return change


def state_of_shard(folder):
    path = folder / "copy/test/shard-00000/state.json"
    path.write_text(path.read_text().replace("data-00000", "../../../../outside"))


NESTED = "[" * 100_000 + "]" * 100_000
DEEP = '{"a": ' * 10_000 + "1" + "}" * 10_000
CONFIG, IMAGE, TEXT = (BEST + n for n in ("config.json", "image_tower/config.json",
                                          "text_tower/config.json"))  # fmt: skip
RECIPE = "copy/prepared.json"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

CASES = {
    # -- names code
    "aggregator of a checkpoint": ("model", values(CONFIG, aggregator=CODE)),
    "aggregator, in a task": ("task", values(CONFIG, aggregator=CODE)),
    "aggregator of a run": ("go on", values("run/config.json", model__aggregator=CODE)),
    "aggregator os:system": ("model", values(CONFIG, aggregator="os:system")),
    "aggregator of the notebook": ("model", values(CONFIG, aggregator="__main__:Hung")),
    "aggregator of a relative module": ("model", values(CONFIG, aggregator=".canary_code:A")),
    "data set of a run, in a task": ("task", values("run/config.json", data__dataset=CODE)),
    "data set of a run that goes on": ("go on", values("run/config.json", data__dataset=CODE)),
    "function tower": ("model", values(IMAGE, model_type="function", function=CODE)),
    "function tower, in a task": ("task", values(IMAGE, model_type="function", function=CODE)),
    "function tower of texts": ("model", values(TEXT, model_type="function", function=CODE)),
    "data set of a prepared copy": ("compare copy", values(RECIPE, dataset=CODE)),
    "tokenizer with auto_map": (
        "model",
        both(
            code_beside(BEST + "tokenizer"),
            values(
                BEST + "tokenizer/tokenizer_config.json",
                tokenizer_class="Mine",
                auto_map={"AutoTokenizer": ["mine.Mine", "mine.Mine"]},
            ),
        ),
    ),
    "tokenizer config with auto_map": (
        "model",
        code_beside(BEST + "tokenizer", model_type="mine", auto_map={"AutoConfig": "mine.Mine"}),
    ),
    "tower with auto_map": (
        "tower",
        code_beside("tower", model_type="mine", auto_map={"AutoConfig": "mine.Mine",
                                                           "AutoModel": "mine.Mine"}),
    ),
    "tower of a checkpoint with auto_map": (
        "model",
        code_beside(BEST + "image_tower", model_type="mine", auto_map={"AutoConfig": "mine.Mine"}),
    ),
    "kernels of the hub": ("model", values(TEXT, _attn_implementation="org/kernels")),
    "kernels of the hub, other key": ("model", values(TEXT, attn_implementation="org/k@main:f")),
    "quantization": ("model", values(TEXT, quantization_config={"quant_method": "gptq"})),
    "backbone of the hub": ("model", values(IMAGE, use_pretrained_backbone=True, backbone="a/b")),
    "weights that are a pickle": ("model", weights(b"\x80\x04cos\nsystem\n(S'touch canary'\ntR.")),
    "pickled array": ("explanation", array("image", (2,), "|O", b"cos\nsystem\n(S'id'\ntR.")),
    # -- sizes
    "10^6 layers": ("model", values(TEXT, num_hidden_layers=10**6)),
    "10^9 layers": ("model", values(TEXT, num_hidden_layers=10**9)),
    "10^6 blocks of a stage": ("model", values(IMAGE, depths=[1, 1, 10**6, 1])),
    "10^5 stages": ("model", values(IMAGE, depths=[1] * 10**5, hidden_sizes=[8] * 10**5)),
    "10^9 channels": ("model", values(TEXT, hidden_size=10**9)),
    "10^12 words": ("model", values(TEXT, vocab_size=10**12)),
    "10^9 labels": ("model", values(TEXT, num_labels=10**9)),
    "10^6 wide layers": ("model", values(TEXT, intermediate_size=10**6)),
    "10^7 pixels": ("model", values(CONFIG, image_size=10**7)),
    "10^9 dimensions": ("model", values(CONFIG, embed_dim=10**9)),
    "60,000 dimensions": ("model", values(CONFIG, matching_dim=60_000)),
    "10^12 words of a report": ("model", values(CONFIG, max_words=10**12)),
    "10^9 steps of SRM": ("model", values(CONFIG, aggregator_options={"steps": 10**9})),
    "10^5 steps of SRM": ("model", values(CONFIG, aggregator_options={"steps": 10**5})),
    "10^9 of a ViT": (
        "model",
        values(IMAGE, **TOWERS["vit"] | {"num_hidden_layers": 10**9}),
    ),
    "positions of a ViT": ("model", values(IMAGE, **TOWERS["vit"] | {"image_size": 10**6})),
    "negative": ("model", values(TEXT, hidden_size=-8)),
    "no heads": ("model", values(TEXT, num_attention_heads=0)),
    "a float": ("model", values(TEXT, hidden_size=8.5)),
    "a bool": ("model", values(CONFIG, embed_dim=True)),
    "text": ("model", values(TEXT, num_hidden_layers="many")),
    "text for a setting": ("model", values(CONFIG, embed_dim="wide")),
    "a list for a setting": ("model", values(CONFIG, embed_dim=[6])),
    "NaN": ("model", values(CONFIG, image_std=float("nan"))),
    "infinity": ("model", values(CONFIG, logit_scale=float("inf"))),
    "a list for channels": ("model", values(TEXT, hidden_size=[8])),
    "no model type": ("model", values(TEXT, model_type=None)),
    "header of 2^62 bytes": ("model", weights(struct.pack("<Q", 2**62) + b"{}")),
    "header of 90 MB": ("model", weights(struct.pack("<Q", 90_000_000) + b"{" + b" " * 90_000_000)),
    "no weights": ("model", weights(b"")),
    "offsets outside": (
        "model",
        weights(struct.pack("<Q", 64)
                + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,999999]}}'.ljust(64)),
    ),
    # -- nested, endless, elsewhere
    "nested config": ("model", text(CONFIG, DEEP)),
    "nested lists": ("model", text(TEXT, f'{{"model_type": "bert", "a": {NESTED}}}')),
    "config that is a list": ("model", text(CONFIG, "[]")),
    "config that is null": ("go on", text("run/config.json", "null")),
    "nested run": ("go on", text("run/config.json", DEEP)),
    "nested status": ("status", both(
        text("run/status.json", DEEP),  # without which a checkpoint tells where the run stands
        lambda folder: (folder / "run/checkpoints/last/progress.json").unlink(),
    )),
    "nested result": ("status", text("run/results/zero_shot-x.json", NESTED)),
    "status that is a pipe": ("status", pipe("run/status.json")),
    "config that is a pipe": ("model", pipe(CONFIG)),
    "tokenizer that is a pipe": ("model", pipe(BEST + "tokenizer/tokenizer.json")),
    "damaged tokenizer": ("model", text(BEST + "tokenizer/tokenizer.json", "{}")),
    # -- prepared copies
    "10^9 studies": ("copy", values(RECIPE, splits__test__studies=10**9)),
    "10^9 studies of a shard": ("copy", values(RECIPE, splits__test__studies=10**12,
                                               studies_per_shard=1)),
    "negative studies": ("copy", values(RECIPE, splits__test__studies=-5)),
    "shards of none": ("copy", values(RECIPE, studies_per_shard=0)),
    "copy of 10^9 pixels": ("copy", values(RECIPE, image_size=10**9)),
    "copy without parts": ("copy", text(RECIPE, '{"version": 1}')),
    "nested recipe": ("copy", text(RECIPE, DEEP)),
    "shard elsewhere": ("copy", state_of_shard),
    "shard of pictures elsewhere": (
        "copy",
        shard(lambda info: info["features"].update(report={"_type": "Image"})),
    ),
    # -- explanations
    "array of 10^12": ("explanation", array("image", (10**6, 10**6))),
    "negative array": ("explanation", array("image", (-1, 4))),
    "array of no numbers": ("explanation", array("image", (1,), "<U3", b"abcdefghijkl")),
    "zip bomb": ("explanation", array("image", (2**14, 2**14), pad=1024)),
    "explanation that is none": ("explanation", text("explanation.npz", "no zip")),
    "explanation that is a pipe": ("explanation", pipe("explanation.npz")),
    # -- texts
    "nested prompts": ("prompts", text("prompts.json", DEEP)),
    "billion laughs": ("suite", text("suite.yaml", LAUGHS + "runs: {r: *i}\n")),
    "billion laughs in a key": ("suite", text("suite.yaml", LAUGHS + "? *i\n: 1\n")),
    "billion laughs that merge": (
        "suite",
        text("suite.yaml", "a: &a {x: 1}\n" + "".join(
            f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n"
            for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        )),
    ),
    "a suite in itself": ("suite", text("suite.yaml", "runs: &a {r: *a}\n")),
    "nested suite": ("suite", text("suite.yaml", "[" * 5000 + "]" * 5000)),
    "suite of 10^6 keys": ("suite", text("suite.yaml", "a: 1\n" * 10**6)),
    "suite that names an object": (
        "suite",
        text("suite.yaml", "runs: !!python/object/apply:os.system ['touch canary']\n"),
    ),
    "billion laughs in published numbers": (
        "published",
        text("published.yaml", LAUGHS + "sources: *i\ntables: []\n"),
    ),
    "suite that is a pipe": ("suite", lambda folder: os.mkfifo(folder / "suite.yaml")),
    **FILES,
}  # fmt: skip
