"""What a model saw in one image-report pair, as plain numpy arrays.

    explain(model, study) -> Explanation -> .npz, figures, widgets

An `Explanation` needs neither torch nor the model to be opened: save it on a GPU machine, look at
it on a laptop. Its numbers come from `RECLF.relate`, the path that training and retrieval use.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reclf.config.foreign_files import DamagedFile, read_arrays
from reclf.data.radiographs import Frame, ImageError, read_film
from reclf.data.region_grid import MIDDLE, heat_in_pixels
from reclf.runs.files import write_atomically
from reclf.stats.tables import json_text

if TYPE_CHECKING:  # torch takes seconds to import; a saved explanation opens without it
    import torch

    from reclf.data.lexicon import Lexicon
    from reclf.data.study import Study
    from reclf.models.reclf import RECLF

FORMAT = 1
REMADE = "set it aside, and explain the study again"
NEEDED = ("image", "attention", "cosines")  # arrays of every file
ARRAYS = (*NEEDED, "graph", "importance", "preview")
PREVIEW = 512  # pixels of the longer side


@dataclass(frozen=True)
class Explanation:
    """One image-report pair explained.

    Shape letters: H, W_px = image size, W = words, h, w = region grid, K = SRM steps.
    """

    study_id: str
    image: np.ndarray  # float32 (H, W_px) in [0, 1]
    report: str
    words: list[str]  # W, as the model read them
    attention: np.ndarray  # float32 (W, h, w), each word's map sums to 1
    cosines: np.ndarray  # float32 (W,), word with its attended region
    graph: np.ndarray | None  # float32 (K, 1 + W, 1 + W), rows sum to 1; node 0 is the whole pair
    importance: np.ndarray | None  # float32 (W,), sums to 1
    scores: dict[str, float]  # "global" (cosine), "logit_global", "logit_local", "logit"
    masks: dict[str, np.ndarray] = field(default_factory=dict)  # bool (H, W_px), where known
    word_types: list[str] | None = None  # W, of batches.WORD_TYPES
    word_findings: list[int] | None = None  # W, finding instance or -1, where known
    center: float = MIDDLE  # place in its block of pixels, models.receptive_field
    # Last SRM step whose edges from words (the whole pair) reach the score; None for no step,
    # -1 for the last one or where it is not known. See `relations.base.LastRead`.
    word_step: int | None = -1
    whole_step: int | None = -1
    sentences: list[int] | None = None  # W, the sentence of each word, from 0
    # K of (a word, a sentence): what a step takes off the score of an edge for each of distance.
    distance_weights: list[tuple[float, float]] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    frame: Frame | None = None  # how `image` was cut out of its film, and where the film is
    preview: np.ndarray | None = None  # uint8 (h, w), the film at up to PREVIEW pixels a side
    # Place of its own report among so many by the combined score: 1 is first, a tie counts half.
    rank: tuple[float, int] | None = None

    def __post_init__(self) -> None:
        axes = {"image": 2, "attention": 3, "cosines": 1, "graph": 3, "importance": 1}
        for name, count in axes.items():
            array = getattr(self, name)
            if array is not None and (array.ndim != count or array.dtype.kind != "f"):
                raise ValueError(f"{name} must be numbers of {count} axes, got {array.shape}")
        if not all(isinstance(text, str) for text in (self.study_id, self.report, *self.words)):
            raise ValueError("study_id, report and words must be text")
        numbers = [*self.scores.values(), self.center, self.word_step or 0, self.whole_step or 0]
        if not all(isinstance(number, int | float) for number in (*numbers, *(self.rank or ()))):
            raise ValueError(f"scores, center, steps and rank must be numbers, got {numbers}")
        if (film := self.preview) is not None and (film.ndim != 2 or film.dtype != np.uint8):
            raise ValueError(f"preview must be uint8 of 2 axes, got {film.dtype} {film.shape}")
        if any(mask.shape != self.image.shape for mask in self.masks.values()):
            raise ValueError(f"masks must have the shape of the image, {self.image.shape}")
        words = len(self.words)
        of_words = (
            "attention",
            "cosines",
            "importance",
            "word_types",
            "word_findings",
            "sentences",
        )
        shapes = {name: len(v) for name in of_words if (v := getattr(self, name)) is not None}
        if self.graph is not None:
            shapes["graph"] = self.graph.shape[1] - 1
        known, steps = self.distance_weights, 0 if self.graph is None else len(self.graph)
        if known is not None and np.shape(known) != (steps, 2):
            raise ValueError(
                f"distance_weights must be two numbers for each of {steps} steps, got {known}"
            )
        wrong = {name: count for name, count in shapes.items() if count != words}
        if wrong:
            raise ValueError(f"the report has {words} words, but {wrong} (words in each array)")

    @property
    def file_name(self) -> str:
        """Name of its file in a run's explanations/: the study id may be a path."""
        return file_name(self.study_id)

    def attention_in_pixels(self, smooth: bool = False) -> np.ndarray:
        """Attention on the pixels of the image: float32 (W, H, W_px), each map sums to 1.

        Args:
            smooth: see `region_grid.heat_in_pixels`.
        """
        pixels = heat_in_pixels(self.attention, self.image.shape, self.center, smooth)
        return pixels / np.maximum(pixels.sum((1, 2), keepdims=True), 1e-12)

    def relations(self, step: int = -1) -> np.ndarray | None:
        """The edges: how much node i attends to node j, float32 (1 + W, 1 + W), rows sum to 1.

        Args:
            step: an SRM step from 0; -1 for the last edges that reach the score, those of words in
                `word_step` and those of the whole pair in `whole_step` (the last step where none
                do). Where node 0 is read out, the edges from words of the last step reach nothing
                and were never trained. `caveat` says it in words.

        Raises:
            ValueError: there is no such step.
        """
        if self.graph is None:
            return None
        if not -1 <= step < len(self.graph):
            raise ValueError(f"step must be -1 to {len(self.graph) - 1}, got {step}")
        if step >= 0:
            return self.graph[step]
        whole, words = self.counting
        return np.concatenate([self.graph[whole, :1], self.graph[words, 1:]])

    def prior(self, step: int = -1) -> np.ndarray | None:
        """What `relations(step)` would be if a word were attended for its place in the report
        alone, float32 (1 + W, 1 + W): softmax of minus the distance in words and in sentences, each
        times its learned weight, node 0 as near to all. None where these weights are not known.

        Raises:
            ValueError: there is no such step.
        """
        by_step, sentences = self.distance_weights, self.sentences
        if self.relations(step) is None or not by_step or sentences is None:
            return None
        places = np.arange(len(self.words)), np.array(sentences)

        def of_step(number: int) -> np.ndarray:
            near = np.zeros((len(self.words) + 1, len(self.words) + 1))
            for weight, place in zip(by_step[number], places, strict=True):
                near[1:, 1:] -= weight * np.abs(place[:, None] - place)
            edges = np.exp(near - near.max(1, keepdims=True))
            return (edges / edges.sum(1, keepdims=True)).astype(np.float32)

        if step >= 0:
            return of_step(step)
        whole, own = self.counting
        return np.concatenate([of_step(whole)[:1], of_step(own)[1:]])

    @property
    def counting(self) -> tuple[int, int]:
        """The steps that `relations()` takes: of the whole pair and of words."""
        total = 0 if self.graph is None else len(self.graph)
        whole, words = (
            total - 1 if step is None else step % max(total, 1)
            for step in (self.whole_step, self.word_step)
        )
        return whole, words

    def caveat(self, step: int = -1) -> str:
        """What a reader of `relations(step)` must know, steps counted from 1; empty where there is
        nothing.

        Raises:
            ValueError: there is no such step.
        """
        if self.graph is None or self.relations(step) is None:
            return ""
        total = len(self.graph)
        reaching = [
            (who, None if last is None else last % total)
            for who, last in (("words", self.word_step), ("the whole pair", self.whole_step))
        ]
        idle = [who for who, last in reaching if last is None or step > last]
        if idle:
            return f"edges of {' and '.join(idle)} in this step do not reach the score"
        known = [(who, last) for who, last in reaching if last is not None]
        if step < 0 and len({last for _, last in known}) > 1:
            return "rows of " + ", of ".join(
                f"{who}: SRM step {last + 1} of {total}" for who, last in known
            )
        return ""

    @property
    def types_guessed(self) -> bool:
        """Whether word types come from a lexicon."""
        return str(self.provenance.get("word_types", "")).startswith("lexicon")

    def word_graph(self, step: int = -1) -> np.ndarray | None:
        """`relations` between words only, (W, W): row i is what word i attends to."""
        relations = self.relations(step)
        return None if relations is None else relations[1:, 1:]

    def save(self, path: str | Path) -> None:
        """Write one compressed .npz without pickled objects."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in ARRAYS}
        if self.frame is not None:
            arrays["frame"] = np.array(json_text(asdict(self.frame)))
        arrays = {name: array for name, array in arrays.items() if array is not None}
        arrays |= {f"mask/{name}": mask for name, mask in self.masks.items()}
        apart = (*ARRAYS, "masks", "frame")
        text = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}
        header = json_text({"format": FORMAT, **text})

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez_compressed(file, header=np.array(header), **arrays)

        write_atomically(Path(path), write)

    @classmethod
    def load(cls, path: str | Path) -> Explanation:
        """Read what `save` wrote; nothing in it is run.

        Raises:
            FileNotFoundError: no such file.
            ValueError: of another format, or damaged; names the file.
        """
        arrays = read_arrays(Path(path))
        masks = {n.removeprefix("mask/"): a for n, a in arrays.items() if n.startswith("mask/")}
        try:
            header = json.loads(str(arrays["header"]))
            known = header.pop("format") == FORMAT
            if "centre" in header:  # written before version 0.2
                header["center"] = header.pop("centre")
            if known:
                scores = header.pop("scores").items()
                header["scores"] = {n: np.nan if value is None else value for n, value in scores}
                named: dict[str, Any] = {name: arrays[name] for name in NEEDED}
                named |= {name: arrays.get(name) for name in ARRAYS}
                if "frame" in arrays:
                    named["frame"] = Frame.of(json.loads(str(arrays["frame"])))
                return cls(masks=masks, **named, **header)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedFile(Path(path), f"no explanation: {error!r}", REMADE) from error
        raise ValueError(f"{path} has another format than {FORMAT}; explain the study again")


def file_name(study_id: str) -> str:
    """ "images/7.png" -> "images-7.png-7050e953b99c.npz": a file of its own for any study id.

    The digits differ also where letter case, or what is cut or replaced, is all the difference.
    """
    digits = hashlib.blake2b(study_id.encode(errors="surrogatepass"), digest_size=6).hexdigest()
    readable = re.sub(r"[^\w.+=-]+", "-", study_id, flags=re.ASCII).strip("-.")
    return f"{readable[:100]}-{digits}.npz".lstrip("-")


def load_explanations(folder: str | Path) -> dict[str, Explanation]:
    """Study id -> its explanation, of all in a run's explanations/, sorted; the newest where two
    files are of one study.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"no folder {folder}. The explanations of a run lie in its folder explanations; "
            "notebooks/explore.ipynb makes them"
        )
    paths = sorted(Path(folder).glob("*.npz"), key=lambda path: path.stat().st_mtime)
    found = {one.study_id: one for one in map(Explanation.load, paths)}
    return dict(sorted(found.items()))


def explain(
    model: RECLF, study: Study, report: str | None = None, lexicon: Lexicon | None = None
) -> Explanation:
    """Explain one pair.

    Args:
        model: in whichever mode; it is run in eval mode.
        study: image, and the report unless another is given.
        report: another text for the same image; what is known of the study's words is left out.
        lexicon: guesses the types of words where the data set does not know them; by default
            `load_lexicon()`. `Explanation.types_guessed` says whether it did.
    """
    import torch

    from reclf.data.lexicon import load_lexicon
    from reclf.models.inference import collate_for

    text = study.report if report is None else report
    batch = collate_for(model).texts([text], torch.as_tensor(study.image)[None, None])
    batch = batch.to(model.device)
    was_training = model.training
    model.eval()
    with torch.no_grad():
        images, texts = model.encode_images(batch.pixels), model.encode_reports(batch)
        related, matched = model.relate(images, texts)
        cosine = torch.cosine_similarity(images.global_embedding, texts.global_embedding)
        local = related.logits if model.aggregator.uses_matchings else None
        logits = model.combine(model.logit_scale * cosine, local)
    model.train(was_training)

    words = collate_for(model).words(text)
    count = len(words)

    def array(tensor: torch.Tensor) -> np.ndarray:
        return tensor.float().cpu().numpy()

    scores = {"global": cosine, "logit_global": logits.logits_global, "logit": logits.logits}
    if logits.logits_local is not None:
        scores["logit_local"] = logits.logits_local
    truth = study.words[:count] if study.words is not None and report is None else None
    lexicon = lexicon or load_lexicon()
    typed = lexicon.read(text)[:count] if truth is None else truth
    last, graph = model.aggregator.last_read(), related.graph
    try:
        preview = study.frame and read_film(study.frame, study.image, PREVIEW)
    except ImageError:  # the file is gone, or the image is not its own: edited or mirrored
        preview = None
    return Explanation(
        study_id=study.study_id,
        image=np.asarray(study.image, dtype=np.float32),
        report=text,
        words=words,
        attention=array(matched.attention[0, :count].unflatten(-1, images.grid)),
        cosines=array(matched.cosines[0, :count]),
        graph=None if graph is None else array(graph[0, :, : count + 1, : count + 1]),
        importance=None if related.weights is None else array(related.weights[0, :count]),
        scores={name: score.item() for name, score in scores.items()},
        masks=dict(study.masks),
        word_types=[word.type for word in typed],
        word_findings=None if truth is None else [word.finding for word in truth],
        center=model.image_encoder.center(batch.pixels.shape[-1], images.grid[1]),
        word_step=-1 if last is None else last.words,
        whole_step=-1 if last is None else last.whole,
        sentences=batch.sentences[0, :count].tolist(),
        distance_weights=None if graph is None else model.aggregator.distance_weights(),
        provenance={
            "model": asdict(model.config),
            "patient_id": study.patient_id,
            "labels": {name: value for name, value in study.labels.items() if value == value},
            "word_types": f"lexicon {lexicon.source}" if truth is None else "data set",
        },
        frame=study.frame,
        preview=preview,
    )
