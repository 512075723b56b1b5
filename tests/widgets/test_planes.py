"""Films, models of other sizes and models of other grids on one plane."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import filmed, sample

from reclf.data.region_grid import heat_in_pixels, region_of_pixel, sum_in_regions
from reclf_widgets import MatchingExplorer, plot_matchings, scales
from reclf_widgets.case_rows import disagreement
from reclf_widgets.cases import CaseSet
from reclf_widgets.films import KEPT, Film, FilmReader
from reclf_widgets.grids import Grid, region_of, resampled
from reclf_widgets.plane import ALL, Place, Plane


@pytest.mark.parametrize("fits", [("pad", "crop"), ("crop", "pad"), ("stretch", "crop"), ("pad",)])
def test_a_point_of_the_film_lies_in_every_image_where_its_frame_says(tmp_path, fits):
    models = {fit: filmed(tmp_path, size=64 + 32 * k, fit=fit) for k, fit in enumerate(fits)}
    plane = Plane.of(models)
    for y, x in np.random.default_rng(0).uniform((0, 0), (1000, 800), (9, 2)):
        across = plane.film.left + plane.film.width * x / 800
        down = plane.film.top + plane.film.height * y / 1000
        assert 0 <= across <= 1
        assert 0 <= down <= 1
        for place, one in zip(plane.images, models.values(), strict=True):
            frame, size = one.frame, one.image.shape[0]
            expected = y * frame.scale[0] + frame.offset[0], x * frame.scale[1] + frame.offset[1]
            found = (down - place.top) / place.height, (across - place.left) / place.width
            assert np.multiply(found, size) == pytest.approx(expected, abs=1e-6)
    picture = plane.picture(list(models.values()))
    assert picture.shape[0] / picture.shape[1] == pytest.approx(
        plane.shape[0] / plane.shape[1], rel=0.01
    )


def test_a_film_that_fills_the_plane_is_shown_as_it_is(tmp_path):
    one = filmed(tmp_path, fit="crop")
    plane = Plane.of({"": one})
    assert plane.film == ALL
    np.testing.assert_array_equal(plane.picture([one]), one.preview / np.float32(255))


def test_what_lies_on_no_common_plane_is_refused(tmp_path):
    other = filmed(tmp_path, shape=(1000, 1000))
    with pytest.raises(ValueError, match="film of other proportions"):
        Plane.of({"a": filmed(tmp_path), "b": other})
    with pytest.raises(ValueError, match="c does not say where its image lies in the film"):
        Plane.of({"a": filmed(tmp_path), "b": filmed(tmp_path, fit="crop"),
                  "c": sample(size=(96, 96))})  # fmt: skip
    alike = Plane.of({"a": filmed(tmp_path), "b": sample(size=(96, 96))})
    assert alike.images[0] == alike.images[1]


@pytest.mark.parametrize("center", [0.5, 0.1])
def test_a_region_is_the_nearest_as_on_pixels(center):
    grid, shape = Grid((6, 5), center, Place(0.1, 0.2, 0.5, 0.6)), (60, 70)
    expected = region_of_pixel(shape, grid.shape, center)
    for row, column in np.ndindex(*shape):
        x = 0.1 + 0.5 * (column + 0.5) / shape[1]
        y = 0.2 + 0.6 * (row + 0.5) / shape[0]
        if abs((column + 0.5) / 14 - center - 0.5) % 1 and abs((row + 0.5) / 10 - center - 0.5) % 1:
            assert grid.nearest(x, y) == expected[row, column]
    for region in range(30):
        assert grid.nearest(*grid.middle(region)) == region
    finer = Grid((12, 10), 0.5, grid.place)
    assert region_of((grid, finer), 0, 1, -1) == -1
    assert region_of((grid, grid), 0, 1, 7) == 7


@pytest.mark.parametrize(("given", "wanted"), [((7, 7), (14, 14)), ((14, 14), (7, 7)),
                                               ((6, 5), (4, 9))])  # fmt: skip
@pytest.mark.parametrize("center", [0.5, 0.25])
def test_a_map_is_resampled_by_area(given, wanted, center):
    cells = np.random.default_rng(1).random(given, dtype=np.float32)
    shape = 840, 2520  # whole pixels for every block, and for centers a quarter in
    found = resampled(cells, Grid(given, center, ALL), Grid(wanted, 0.5, ALL))
    covered = sum_in_regions(np.ones(shape), given, center)
    by_pixel = heat_in_pixels(cells / covered, shape, center)
    np.testing.assert_allclose(found, sum_in_regions(by_pixel, wanted), rtol=1e-3)
    assert found.sum() == pytest.approx(cells.sum(), rel=1e-5)
    if (given, center) == ((7, 7), 0.5):
        np.testing.assert_allclose(found, np.kron(cells, np.full((2, 2), 0.25)), rtol=1e-6)


def test_what_of_a_map_lies_outside_of_the_other_image_is_lost():
    half = Grid((2, 2), 0.5, Place(0.0, 0.0, 0.5, 1.0))
    found = resampled(np.ones((2, 2), np.float32), Grid((2, 2), 0.5, ALL), half)
    np.testing.assert_allclose(found, 0.5)


@pytest.fixture
def mixed():
    """A ResNet beside a ViT."""
    fine = sample(size=(96, 96), grid=(14, 14))
    coarse = sample(model=1, size=(64, 64), grid=(7, 7), center=0.25)
    return {"ResNet": coarse, "ViT": fine}


def test_models_of_other_grids_and_sizes_are_shown_together(mixed):
    cases = CaseSet({name: [one] for name, one in mixed.items()})
    readable, arrays = cases.describe(0)
    assert [grid["shape"] for grid in readable["grids"]] == [[7, 7], [14, 14]]
    assert [image["shape"] for image in readable["images"]] == [[96, 96]]  # the larger one
    sent = np.frombuffer(arrays["attention"], "<f4")
    expected = np.concatenate([one.attention.ravel() for one in mixed.values()])
    np.testing.assert_array_equal(sent, expected)
    coverage = np.frombuffer(arrays["coverage"], "<f4")
    assert coverage.size == 5 * 49 + 5 * 196
    mask = mixed["ResNet"].masks["pleural_effusion"]
    again = sum_in_regions(mask, (7, 7), 0.25).ravel()
    np.testing.assert_array_equal(coverage[49:98], again)
    assert 0 < disagreement(*mixed.values()) <= 1
    assert disagreement(mixed["ViT"], mixed["ViT"]) == 0
    assert disagreement(*mixed.values()) == pytest.approx(disagreement(*reversed(mixed.values())))


def test_relations_and_importance_do_not_depend_on_grids(mixed):
    explorer = MatchingExplorer({name: [one] for name, one in mixed.items()})
    graphs = np.frombuffer(explorer.graph, "<f4").reshape(2, 2, 10, 10)
    np.testing.assert_array_equal(graphs, [one.graph for one in mixed.values()])
    weights = np.frombuffer(explorer.importance, "<f4").reshape(2, 9)
    np.testing.assert_array_equal(weights, [one.importance for one in mixed.values()])


def test_a_difference_of_other_grids_is_on_the_finer_one_and_says_so(mixed):
    coarse, fine = mixed.values()
    found = scales.difference(coarse, fine, 2)
    grids = [Grid.of(one, ALL) for one in (coarse, fine)]
    np.testing.assert_allclose(found, resampled(coarse.attention[2], *grids) - fine.attention[2])
    np.testing.assert_allclose(scales.difference(fine, coarse, 2), -found)
    figure = plot_matchings(mixed, [2], difference=True, masks=False)
    below = [axis.get_xlabel() for axis in figure.axes if axis.get_label() == "panel"]
    plt.close(figure)
    assert below == ["", "", "", "on 14 × 14 regions, by area"]


def test_other_grids_share_the_scale_of_a_uniform_map(mixed):
    level = {name: sample(size=one.image.shape, grid=one.attention.shape[1:],
                          attention=np.full_like(one.attention, 1 / one.attention[0].size))
             for name, one in mixed.items()}  # fmt: skip
    models = list(level.values())
    assert scales.unlike(models)
    assert scales.color_end(models, "word", 2) == pytest.approx(1)
    for one in models:
        np.testing.assert_allclose(scales.shown_cells(one, "word", 2, models), 1)
    assert scales.bar_labels("word", 1.0, unlike=True) == ["0", "× uniform", "1.000"]
    assert not scales.unlike(models[:1])


def test_a_region_is_selected_on_the_finest_grid(mixed):
    explorer = MatchingExplorer({name: [one] for name, one in mixed.items()}, region=195)
    assert explorer._region_of("ViT") == 195
    assert explorer._region_of("ResNet") == 48
    with pytest.raises(Exception, match="region must be -1 to 195 here, got 196"):
        explorer.region = 196


def test_a_live_explorer_sends_the_films_own_pixels_when_asked(tmp_path):
    one = filmed(tmp_path, shape=(2500, 2000))
    explorer = MatchingExplorer([one, filmed(tmp_path, 1)])
    said = explorer.case["film"]
    assert said["original"]
    assert said["preview"] == [512, 410]
    assert explorer.film == b""
    explorer.film_asked += 1
    assert explorer.film_info["shape"] == [2048, 1638]
    assert len(explorer.film) == 2048 * 1638
    assert "2,048 x 1,638 of the file's 2,500 x 2,000 pixels" in explorer.film_info["said"]
    explorer.case_index = 1
    assert (explorer.film, explorer.film_info) == (b"", {})
    explorer.film_asked += 1
    assert explorer.film_info == {"index": 1, "shape": [1000, 800],
                                  "said": "Film: all 1,000 x 800 pixels of the file."}  # fmt: skip


def test_the_next_film_is_read_before_it_is_asked_for(tmp_path, monkeypatch):
    explorer = MatchingExplorer([filmed(tmp_path, i) for i in range(3)])
    read, original = [], Film.original

    def noted(film):
        read.append(Path(film.frame.path).name[:6])
        return original(film)

    monkeypatch.setattr(Film, "original", noted)
    explorer.film_next = 1
    explorer.film_asked += 1
    assert (explorer.film_info["index"], read[0]) == (0, "film-0")
    explorer.case_index, explorer.film_next = 1, 0
    explorer.film_asked += 1
    assert explorer.film_info["index"] == 1
    assert bytes(explorer.film) == original(explorer.cases.film(1))[0].tobytes()
    assert read == ["film-0", "film-1"]  # each once, the second before it was asked for
    explorer.case_index = 0
    explorer.film_asked += 1
    assert (explorer.film_info["index"], len(read)) == (0, 2)


def test_a_reader_keeps_few_films(tmp_path, monkeypatch):
    film, read = MatchingExplorer([filmed(tmp_path)]).cases.film(0), []
    monkeypatch.setattr(Film, "original", lambda self: (np.zeros((1, 1)), str(read.append(1))))
    reader = FilmReader()
    for key in (*range(KEPT + 1), KEPT, 0):
        reader.read(key, film)
    assert len(read) == KEPT + 2  # the first was forgotten


def test_a_film_that_was_missing_is_tried_again(tmp_path):
    one = filmed(tmp_path)
    film, path = MatchingExplorer([one]).cases.film(0), Path(one.frame.path)
    content, reader = path.read_bytes(), FilmReader()
    path.unlink()
    assert reader.read("key", film)[0] is None
    path.write_bytes(content)
    assert reader.read("key", film)[0] is not None


def test_an_error_while_reading_ahead_is_not_lost(tmp_path, monkeypatch):
    film, calls = MatchingExplorer([filmed(tmp_path)]).cases.film(0), []

    def fails_once(self):
        calls.append(1)
        if len(calls) == 1:
            raise MemoryError
        return None, "read again"

    monkeypatch.setattr(Film, "original", fails_once)
    monkeypatch.setattr("threading.excepthook", lambda args: None)
    reader = FilmReader()
    reader.begin("key", film)
    assert reader.read("key", film) == (None, "read again")


def test_a_film_that_is_missing_or_another_one_is_named_and_the_preview_shown(tmp_path):
    one, _ = filmed(tmp_path), filmed(tmp_path, 1)
    path = tmp_path / "film-0-1000x800.png"
    explorer = MatchingExplorer([one])
    path.unlink()
    explorer.film_asked += 1
    assert explorer.film == b""
    assert f"cannot read {path}: there is no such file" in explorer.film_info["said"]
    explorer = MatchingExplorer([one])
    said = explorer.case["film"]["said"]
    assert not explorer.case["film"]["original"]
    assert said == (f"The film {path} is missing on this machine. Shown is the preview, "
                    "512 x 410 of 1,000 x 800 pixels.")  # fmt: skip
    path.write_bytes((tmp_path / "film-1-1000x800.png").read_bytes())
    explorer = MatchingExplorer([one])
    explorer.film_asked += 1
    assert "is not the film of this image" in explorer.film_info["said"]


def test_a_page_has_the_preview_and_names_no_folder(tmp_path):
    cases = [filmed(tmp_path, k, shape=(700, 600)) for k in range(12)]
    page = MatchingExplorer(cases).to_html(tmp_path / "page.html", "all")
    assert page.stat().st_size < 2_000_000
    assert str(tmp_path) not in page.read_text()
    assert "film-0-700x600.png" in page.read_text()


def test_a_phantom_has_no_film_and_none_is_said_to_be_missing():
    explorer = MatchingExplorer([sample()])
    assert explorer.case["film"] is None
    explorer.film_asked += 1
    assert explorer.film_info == {}


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_print_shows_the_preview_with_the_map_where_the_image_lies(tmp_path, fit):
    one = filmed(tmp_path, fit=fit)
    plane = Plane.of({"": one})
    figure = plot_matchings(one, [2], zoom=2.0, across=0.25, down=0.75)
    axis = figure.axes[1]
    film, heat = axis.get_images()
    height, width = film.get_array().shape
    assert max(height, width) == 512
    left, right, bottom, top = heat.get_extent()
    place = plane.images[0]
    assert [(left + 0.5) / width, (right + 0.5) / width] == pytest.approx(
        [place.left, place.left + place.width]
    )
    assert [(top + 0.5) / height, (bottom + 0.5) / height] == pytest.approx(
        [place.top, place.top + place.height]
    )
    assert axis.get_xlim() == pytest.approx((-0.5, width / 2 - 0.5))
    assert axis.get_ylim() == pytest.approx((height - 0.5, height / 2 - 0.5))
    plt.close(figure)


def test_masks_are_measured_in_every_image(tmp_path):
    pad, crop = filmed(tmp_path), filmed(tmp_path, fit="crop", size=128)
    mask = np.zeros((96, 96), dtype=bool)
    mask[40:60, 30:60] = True
    pad = filmed(tmp_path, masks={"nodule": mask})
    plane = Plane.of({"pad": pad, "crop": crop})
    own = plane.images[1].sampled(mask, plane.images[0], (128, 128))
    rows, _ = np.nonzero(own)
    film_rows = (rows + 0.5 - crop.frame.offset[0]) / crop.frame.scale[0]
    again = film_rows * pad.frame.scale[0] + pad.frame.offset[0]
    assert again.min() == pytest.approx(40, abs=1)
    assert again.max() == pytest.approx(60, abs=1)
