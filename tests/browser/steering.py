"""What the tests of exported pages share: choosing, pointing, and waiting for what was drawn."""


def shown(value):
    """The text that the page shows for a number: the twin of `shown` in elements.js."""
    if value == 0:
        return "0"
    return f"{value:.3f}" if abs(value) >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")


def select(page, trait, value):
    page.locator(f"select[data-trait={trait}]").select_option(value)


def wait_for(page, **facts):
    facts = "".join(f"[data-{name}='{value}']" for name, value in facts.items())
    page.locator(f".reclf{facts}").wait_for()


def point_at(page, region, grid):
    """Where a region, counted row by row, of the first tile lies, for `hover` and `click`."""
    image = page.get_by_test_id("image")
    width, height = map(float, image.get_attribute("data-tile").split())
    x, y = (region % grid[1] + 0.5) * width / grid[1], (region // grid[1] + 0.5) * height / grid[0]
    return {"x": x, "y": y}
