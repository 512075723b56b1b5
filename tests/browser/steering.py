"""What tests of the explorer share: choosing, pointing, waiting for what is drawn, and timing."""

TRIES = 30  # on a busy machine most of the time is waiting for a core; the best of some has not


def shown(value):
    """The text that the page shows for a number: the twin of `shown` in elements.js."""
    if value == 0:
        return "0"
    return f"{value:.3f}" if abs(value) >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")


def select(page, trait, value):
    page.locator(f"select[data-trait={trait}]").select_option(value)


def drawn_with(**facts):
    """A selector of the explorers that have drawn this state, such as `word=2`."""
    return ".reclf[data-draws]" + "".join(f"[data-{k}='{v}']" for k, v in facts.items())


def wait_for(page, **facts):
    page.locator(drawn_with(**facts)).wait_for()


def point_at(page, region, grid):
    """Where a region, counted row by row, of the first tile lies, for `hover` and `click`."""
    image = page.get_by_test_id("image")
    width, height = map(float, image.get_attribute("data-tile").split())
    x, y = (region % grid[1] + 0.5) * width / grid[1], (region // grid[1] + 0.5) * height / grid[0]
    return {"x": x, "y": y}


def until_quick(measure, bar, tries=4):
    """Milliseconds of some tries, and of more while none of them is below the bar."""
    times = []
    while len(times) < tries or (min(times) > bar and len(times) < TRIES):
        times.append(measure())
    return times
