"""The words of the phantom's reports: synonyms and sentence templates, per wording.

Hospitals A and B share one wording. C has held-out synonyms and templates; of the first it keeps
one familiar word in each list, as a real neighbour hospital would.

Templates name findings a and b, each with the slots
    {a.kind}      pleural effusion
    {a.severity}  small
    {a.core}      small pleural effusion
    {a.full}      small left pleural effusion
    {a.place}     on the left, in the right upper zone
    {a=former}    the literal word, which speaks of finding a
The nouns are singular and take no article, so that a twin report with one fact changed differs in
the words of that fact alone.
"""

from dataclasses import dataclass

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Wording:
    """Everything a hospital can say.

    Attributes:
        kinds: kind -> noun phrases.
        sizes, degrees: words for (mild, moderate, severe), for kinds with a size or a degree.
        zones: words for (upper, mid, lower).
        beside: phrases for a finding without zone on the (left, right, both) side(s).
        within: phrases with {zone} and {zones} for the (left, right, both) side(s).
        lungs: phrase for a finding of both lungs.
        single: templates for one finding.
        placed: templates for one finding that has a side.
        double: templates for two findings with a side each.
        together: templates for any two findings.
        negative: templates with {n}, one absent kind.
        negatives: templates with {n} and {m}, two absent kinds.
        heart: normal heart, said when there is no cardiomegaly.
        lung: normal lungs, said when the lungs have no finding.
        normal: other normal anatomy.
        opening, filler: sentences without content.
        devices: device -> sentences.
    """

    kinds: dict[str, tuple[str, ...]]
    sizes: tuple[Row, ...]
    degrees: tuple[Row, ...]
    zones: tuple[Row, ...]
    beside: tuple[Row, ...]
    within: tuple[Row, ...]
    lungs: tuple[str, ...]
    single: tuple[str, ...]
    placed: tuple[str, ...]
    double: tuple[str, ...]
    together: tuple[str, ...]
    negative: tuple[str, ...]
    negatives: tuple[str, ...]
    heart: tuple[str, ...]
    lung: tuple[str, ...]
    normal: tuple[str, ...]
    opening: tuple[str, ...]
    filler: tuple[str, ...]
    devices: dict[str, tuple[str, ...]]


# Kinds that are told by their size. The others take a degree, or a size where it reads well.
SIZED = ("pleural_effusion", "pneumothorax", "nodule")
SIZED_OR_GRADED = ("consolidation", "ground_glass_opacity", "atelectasis")

_A = Wording(
    kinds={
        "consolidation": ("consolidation", "airspace consolidation", "airspace disease"),
        "ground_glass_opacity": ("ground-glass opacity", "ground-glass opacification", "haze"),
        "pleural_effusion": ("pleural effusion", "effusion", "pleural fluid"),
        "pneumothorax": ("pneumothorax", "pneumothorax", "pleural air collection"),
        "atelectasis": ("atelectasis", "linear atelectasis", "band atelectasis"),
        "cardiomegaly": ("cardiomegaly", "cardiac enlargement", "enlargement of the heart"),
        "nodule": ("nodule", "pulmonary nodule", "nodular lesion"),
        "edema": ("pulmonary edema", "edema", "interstitial edema"),
    },
    sizes=(("small", "moderate", "large"), ("small", "medium-sized", "large")),
    degrees=(
        ("mild", "moderate", "severe"),
        ("slight", "moderate", "marked"),
        ("minimal", "moderate", "extensive"),
    ),
    zones=(
        ("upper zone", "mid zone", "lower zone"),
        ("upper lung", "mid lung", "lower lung"),
        ("upper third", "middle third", "lower third"),
    ),
    beside=(
        ("on the left", "on the right", "on both sides"),
        ("in the left hemithorax", "in the right hemithorax", "in both hemithoraces"),
        ("on the left side", "on the right side", "bilaterally"),
    ),
    within=(
        ("in the left {zone}", "in the right {zone}", "in both {zones}"),
        ("in the {zone} on the left", "in the {zone} on the right", "in the {zone} on both sides"),
        ("within the left {zone}", "within the right {zone}", "within both {zones}"),
    ),
    lungs=("in both lungs", "throughout both lungs", "bilaterally"),
    single=(
        "{a.full} is present.",
        "{a.full} is seen.",
        "There is {a.full}.",
        "{a.full} is noted on this examination.",
        "Probable {a.full}.",
        "The appearance is consistent with {a.full}.",
        "There is {a.core} {a.place}.",
        "{a.core} is demonstrated {a.place}.",
        "{a.kind} {a.place} is {a.severity}.",
    ),
    placed=(
        "{a.place}, there is {a.core}.",
        "{a.place} the film shows {a.core}.",
        "{a.core} projects {a.place}.",
        "There is {a.kind}, which is {a.severity} and lies {a.place}.",
    ),
    double=(
        "{a.core} and {b.core} are present {a.place} and {b.place} respectively.",
        "{a.place} and {b.place} there are, respectively, {a.core} and {b.core}.",
        "{a.core}, unlike the {b.core} {b.place}, lies {a.place}.",
        "Of {a.core} and {b.core}, the {a=former} is seen {a.place} and the {b=latter} {b.place}.",
        "There is {a.kind} as well as {b.kind}. The {b=latter} is {b.severity} and {b.place}, "
        "the {a=former} is {a.severity} and {a.place}.",
        "{a.place} there is {a.core}, {b.place} there is {b.core}.",
        "{a.core} {a.place} accompanies {b.core} {b.place}.",
    ),
    together=(
        "{a.full} and {b.full}.",
        "{a.full} and {b.full} are present.",
        "There is {a.full} with {b.full}.",
        "{a.full} is seen together with {b.full}.",
    ),
    negative=(
        "No {n}.",
        "There is no {n}.",
        "No evidence of {n}.",
        "{n} is not seen.",
        "No {n} is identified.",
        "No definite {n}.",
    ),
    negatives=(
        "No {n} or {m}.",
        "There is no {n} or {m}.",
        "No evidence of {n} or {m}.",
        "Neither {n} nor {m} is seen.",
        "No {n}, no {m}.",
    ),
    heart=(
        "Heart size is normal.",
        "The heart is normal in size.",
        "The cardiac silhouette is within normal limits.",
        "Normal heart.",
    ),
    lung=("The lungs are clear.", "Lungs are well expanded and clear.", "Both lungs are clear."),
    normal=(
        "The mediastinal contours are unremarkable.",
        "Bony structures are intact.",
        "The trachea is midline.",
        "Osseous structures are unremarkable.",
        "The hilar contours are normal.",
        "The aorta is unremarkable.",
        "Mediastinum and hila are normal.",
        "The soft tissues are unremarkable.",
        "The ribs are intact.",
    ),
    opening=(
        "Frontal view of the chest.",
        "Single frontal radiograph.",
        "Portable examination of the chest.",
        "Chest radiograph obtained for follow-up.",
        "The study is of adequate quality.",
    ),
    filler=(
        "Clinical correlation is recommended.",
        "Follow-up is suggested if symptoms persist.",
        "No relevant prior study is available for comparison.",
        "Comparison with earlier films is limited.",
        "The examination was discussed with the referring team.",
    ),
    devices={
        "ecg_leads": ("Monitoring leads overlie the chest.", "Electrodes project over the chest."),
        "endotracheal_tube": (
            "The endotracheal tube ends above the carina.",
            "Endotracheal tube in satisfactory position.",
        ),
        "gastric_tube": (
            "The gastric tube passes below the diaphragm.",
            "Nasogastric tube courses into the stomach.",
        ),
        "central_line": (
            "The central venous catheter ends in the superior vena cava.",
            "Central line in standard position.",
        ),
        "pacemaker": (
            "A pacemaker is in place with intact leads.",
            "Cardiac pacemaker noted.",
        ),
    },
)

_C = Wording(
    kinds={
        "consolidation": ("consolidation", "parenchymal consolidation", "pneumonic infiltrate"),
        "ground_glass_opacity": ("ground-glass opacity", "ground-glass change", "veiling"),
        "pleural_effusion": ("pleural effusion", "pleural collection", "hydrothorax"),
        "pneumothorax": ("pneumothorax", "intrapleural air"),
        "atelectasis": ("atelectasis", "plate-like atelectasis", "subsegmental collapse"),
        "cardiomegaly": ("cardiomegaly", "heart enlargement", "cardiac dilatation"),
        "nodule": ("nodule", "rounded nodule", "coin lesion"),
        "edema": ("pulmonary edema", "edematous change", "vascular congestion"),
    },
    sizes=(("small", "moderate", "large"), ("little", "intermediate", "sizeable")),
    degrees=(("mild", "moderate", "severe"), ("subtle", "considerable", "pronounced")),
    zones=(
        ("upper zone", "mid zone", "lower zone"),
        ("upper field", "middle field", "lower field"),
        ("superior region", "central region", "inferior region"),
    ),
    beside=(
        ("on the left", "on the right", "on both sides"),
        ("at the left", "at the right", "at both sides"),
        ("in the left chest", "in the right chest", "in both halves of the chest"),
    ),
    within=(
        ("inside the left {zone}", "inside the right {zone}", "inside both {zones}"),
        ("at the left {zone}", "at the right {zone}", "at both {zones}"),
        ("in the {zone} left", "in the {zone} right", "in the {zone} left and right"),
    ),
    lungs=("in both lungs", "across both lungs", "on either side"),
    single=(
        "Imaging reveals {a.full}.",
        "{a.full} is apparent.",
        "Findings include {a.full}.",
        "One recognizes {a.core} {a.place}.",
        "Likely {a.full}.",
        "{a.kind} {a.place}, {a.severity}.",
    ),
    placed=(
        "{a.place} one finds {a.core}.",
        "{a.place}: {a.core}.",
        "{a.core}, located {a.place}.",
    ),
    double=(
        "Apparent are {a.core} and {b.core}, {a.place} and {b.place} in that order.",
        "{a.place} versus {b.place}: {a.core} versus {b.core}.",
        "{a.core}, in contrast to the {b.core} {b.place}, is located {a.place}.",
        "{a.kind} and {b.kind}: the {b=second} {b.severity}, {b.place}, "
        "the {a=first} {a.severity}, {a.place}.",
        "{a.place} one finds {a.core}, but {b.place} {b.core}.",
    ),
    together=(
        "Imaging reveals {a.full} plus {b.full}.",
        "Findings include {a.full} along with {b.full}.",
    ),
    negative=("Absence of {n}.", "The film is without {n}.", "{n} cannot be recognized."),
    negatives=("Absence of {n} and {m}.", "The film is without {n} or {m}."),
    heart=("Cardiac dimensions are regular.", "Unremarkable heart shadow."),
    lung=("Regular lung transparency.", "Lungs free of opacities."),
    normal=(
        "Regular mediastinal outline.",
        "Skeleton without fracture.",
        "The airway is central.",
        "Hila are of regular configuration.",
        "Unremarkable thoracic skeleton.",
    ),
    opening=("Chest film in one plane.", "Anterior projection of the thorax."),
    filler=(
        "Please correlate with laboratory results.",
        "Further imaging at the discretion of the ward.",
        "Earlier images were not submitted.",
    ),
    devices={
        "ecg_leads": ("Superimposed cables of the monitor.",),
        "endotracheal_tube": ("Breathing tube correctly placed.",),
        "gastric_tube": ("Feeding tube below the diaphragm.",),
        "central_line": ("Venous access correctly placed.",),
        "pacemaker": ("Implanted pulse generator with electrodes.",),
    },
)

WORDINGS = {"A": _A, "B": _A, "C": _C}

NEGATIONS = frozenset({"no", "not", "neither", "nor", "without", "absence", "cannot", "free"})
ANATOMY = frozenset(
    {
        "heart", "cardiac", "silhouette", "lungs", "lung", "mediastinal", "mediastinum", "bony",
        "structures", "osseous", "trachea", "hilar", "hila", "aorta", "ribs", "soft", "tissues",
        "skeleton", "airway", "thoracic", "carina", "diaphragm", "stomach", "superior", "vena",
        "cava", "chest", "thorax", "contours", "outline",
    }
)  # fmt: skip
# Words that hold a place phrase together without naming a place.
LINKS = frozenset(
    {"in", "on", "the", "within", "inside", "across", "of", "at", "and", "throughout"}
)
