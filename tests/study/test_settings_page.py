"""docs/settings.md says what the dataclasses say."""

from pathlib import Path

from reclf_study.settings_page import page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_generated_from_the_dataclasses():
    command = "python -m reclf_study.settings_page docs/settings.md"
    assert PAGE.read_text(encoding="utf-8") == page(), (
        f"settings or presets changed: run `{command}`"
    )


def test_every_setting_has_a_row_with_its_default_and_meaning():
    written = page()
    assert "| `train.max_minutes` | float | `5.0` | Time budget" in written
    assert "| `data.counterfactuals` | dict[str, float] | `{}` | " in written
    assert "| `model.image_tower.freeze` | bool | `false` | " in written
    assert "| `train.max_minutes` | `5.0` | `10.0` | " in written  # where presets differ
