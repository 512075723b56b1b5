"""A study as given, in the words of an edited version of it, so that both stand side by side.

explanation as given, edited explanation -> explanation of the words that both texts have
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np

from reclf.explain import Explanation

AS_GIVEN = "as given"
# In the provenance of a study as given that stands beside an edited version:
ABSENT = "absent_words"  # words that the text as given does not have
OTHER_FILM = "other_film"  # whether the edited version has another image


def beside(
    shown: Mapping[str, Explanation], given: Mapping[str, Explanation]
) -> dict[str, Explanation]:
    """Models as they explain an edited version, then each as it explains the study as given, named
    "NAME, as given"; "as given" alone where there is one model."""
    names = {name: AS_GIVEN if len(shown) == 1 else f"{name}, {AS_GIVEN}" for name in shown}
    return {**shown, **{names[name]: in_words_of(given[name], one) for name, one in shown.items()}}


def paired(given: Sequence[str], edited: Sequence[str]) -> dict[int, int]:
    """Word of the edited text -> the same word of the text as given, where that has it.

    In their order, the longest common runs first; then those that have changed places, each with
    the first that is left, or else with the first there is.
    """
    runs = SequenceMatcher(None, given, edited, autojunk=False).get_matching_blocks()
    pairs = {run.b + k: run.a + k for run in runs for k in range(run.size)}
    free = [i for i in range(len(given)) if i not in pairs.values()]
    for j, word in enumerate(edited):
        if j in pairs or word not in given:
            continue
        left = [i for i in free if given[i] == word]
        pairs[j] = left[0] if left else list(given).index(word)
        free = [i for i in free if i != pairs[j]]
    return dict(sorted(pairs.items()))


def in_words_of(given: Explanation, edited: Explanation) -> Explanation:
    """The explanation as given, with an entry for each word of the edited text.

    See `paired`. Words that the text as given does not have get zeros, and their numbers stand in
    `provenance[ABSENT]`; words that the edited text does not have are left out. The distance prior
    is not known for such a pairing.
    """
    pairs = paired(given.words, edited.words)
    new, old = list(pairs), list(pairs.values())
    count = len(edited.words)

    def of_words(values: np.ndarray) -> np.ndarray:
        made = np.zeros((count, *values.shape[1:]), values.dtype)
        made[new] = values[old]
        return made

    graph = given.graph
    if graph is not None:
        nodes = [np.array([0, *(i + 1 for i in places)]) for places in (old, new)]
        filled = np.zeros((len(graph), count + 1, count + 1), graph.dtype)
        filled[:, nodes[1][:, None], nodes[1]] = graph[:, nodes[0][:, None], nodes[0]]
        graph = filled
    return replace(
        given,
        report=edited.report,
        words=edited.words,
        word_types=edited.word_types,
        word_findings=edited.word_findings,
        attention=of_words(given.attention),
        cosines=of_words(given.cosines),
        importance=None if given.importance is None else of_words(given.importance),
        graph=graph,
        sentences=None,
        distance_weights=None,
        provenance=given.provenance
        | {
            ABSENT: sorted({*range(count)} - {*new}),
            OTHER_FILM: not np.array_equal(given.image, edited.image, equal_nan=True),
        },
    )


def absent(explanation: Explanation) -> list[int]:
    """Words that the text explained does not have."""
    return explanation.provenance.get(ABSENT, [])


def films(models: Sequence[Explanation]) -> list[int]:
    """The number of the film of each model, from 0: another one only where an edited version stands
    beside the study as given."""
    other = [bool(one.provenance.get(OTHER_FILM)) for one in models]
    return [sorted({*other}).index(each) for each in other]


def says(explanation: Explanation, word: int | tuple[int, ...]) -> bool:
    """Whether the text explained has the word, or one of the phrase."""
    words = word if isinstance(word, tuple) else (word,)
    return not {*words} <= {*absent(explanation)}
