"""A second opinion on an impression, from the facts' codes and figures alone.

It shares no line and no table with the checks that a sentence passes in the node, and was written without a look at
them, so that what both let through has evaded two minds. It is stricter where it can be: any word is a complaint that
is neither ordinary English of reports nor of a cited fact.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from domain.impressions import Fact, Facts, Impression, Presence, Sentence, Topic


class Kind(StrEnum):
    """What is wrong with a sentence."""

    NO_FACT = "a fact that is none"
    NUMBER = "a number"
    UNIT = "a unit"
    SIDE = "a side"
    SITE = "a site"
    FINDING = "a finding"
    NEGATION = "a negation"
    NORMAL = "that something is normal"
    CERTAINTY = "a certainty"
    COMPARISON = "a comparison"
    RECOMMENDATION = "a recommendation"
    IDENTITY = "an identity"
    INSTRUCTION = "an instruction"
    OMISSION = "an omission"
    CHOICE = "one of two results that exclude each other"
    TWICE = "a fact told twice"
    LENGTH = "the length"
    WORD = "a word of nobody's"


@dataclass(frozen=True)
class Complaint:
    """What is wrong, with which word, in which sentence (from 0; -1 is the impression)."""

    kind: Kind
    word: str
    sentence: int = -1


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SITES = _words(
    "lung lungs pulmonary lobe lobes lobar upper middle lower apex apical base basal hilum hilar mediastinum "
    "mediastinal pleura pleural chest thorax thoracic rib ribs heart cardiac aorta aortic trachea bronchus "
    "bronchial diaphragm liver hepatic kidney kidneys renal spleen splenic pancreas pancreatic bladder "
    "gallbladder bowel colon stomach abdomen abdominal pelvis pelvic prostate uterus ovary breast brain cerebral "
    "cerebellum cerebellar frontal temporal parietal occipital hemisphere ventricle ventricular thalamus pons "
    "brainstem cortex cortical meningeal skull head neck thyroid spine spinal vertebra vertebral bone bones hip "
    "knee shoulder wrist femur anterior posterior medial lateral central peripheral proximal distal retro "
    "perihilar subpleural intracranial tissue lymph"
)
_FINDINGS = _words(
    "nodule nodules mass masses tumour tumours tumor tumors neoplasm cancer carcinoma malignant malignancy "
    "metastasis metastases metastatic lesion lesions cyst cysts fracture fractures haemorrhage hemorrhage bleed "
    "bleeding infarct infarction stroke ischaemia ischemia aneurysm embolism embolus thrombus pneumonia "
    "pneumothorax effusion effusions oedema edema atelectasis consolidation opacity opacities infiltrate "
    "infiltrates infiltration emphysema fibrosis cardiomegaly hernia calcification stenosis abscess infection "
    "inflammation necrosis necrotic enhancement enhancing lymphadenopathy thickening granuloma scar scarring "
    "plaque haematoma hematoma glioma glioblastoma meningioma hydrocephalus tuberculosis disease abnormality "
    "abnormalities candidate candidates core congestion"
)
_NORMAL = _words("normal unremarkable clear healthy benign intact preserved fine harmless physiological")
_CERTAIN = _words(
    "definite definitely certain certainly clearly obviously confirmed confirms proven proves diagnostic "
    "diagnosed diagnosis likely unlikely probable probably possible possibly suspicious suspected suggests "
    "suggestive consistent compatible highly typical characteristic pathognomonic may might could doubtful"
)
_GREW = _words("increase increased increasing grown grew growth larger bigger progression progressed worse worsened")
_SHRANK = _words("decrease decreased decreasing shrunk smaller regression regressed improved resolved reduced")
_SAME = _words("stable unchanged constant same steady")
_EARLIER = _words("new newly previous previously prior earlier compared comparison since differs differ again interval")
_ADVICE = _words(
    "recommend recommended recommends recommendation follow followup should must consider considered advise "
    "advised biopsy surgery resection urgent urgently immediate immediately refer referral correlate correlation "
    "repeat antibiotics treatment therapy treat management contrast further needs required"
)
_INSTRUCTIONS = _words(
    "ignore disregard please click visit call you your system prompt assistant instruction instructions override "
    "http https www reader operator delete send"
)
_UNITS = {
    "mm": "mm", "millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "millimetres": "mm", "cm": "cm",
    "centimeters": "cm", "mm2": "mm2", "cm2": "cm2", "mm3": "mm3", "cm3": "cm3", "cc": "cm3", "ml": "ml",
    "milliliters": "ml", "millilitres": "ml", "l": "l", "liters": "l", "litres": "l", "%": "%", "percent": "%",
    "hu": "hu", "g/ml": "g/ml", "kg": "kg", "g": "g", "deg": "deg", "degrees": "deg", "pixels": "pixels", "ms": "ms",
}  # fmt: skip
_COUNTS = {
    "single": 1, "solitary": 1, "one": 1, "two": 2, "both": 2, "pair": 2, "couple": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12,
}  # fmt: skip
_MANY = _words("several multiple many numerous")
_RIGHT, _LEFT = _words("right right-sided rightward"), _words("left left-sided leftward")
_BOTH = _words("bilateral bilaterally")
_DENIES = _words("no not none nothing never without absent absence negative excluded excludes free denied neither nor")
# What a sentence may say beside its facts. A word that is in none of these lists is nobody's.
_ENGLISH = _words(
    "a an the of in on at by to with and or is are was were be been it its this that these those which as for "
    "from there has have had also each all other others only found seen shows show shown demonstrated "
    "demonstrates identified detected noted visible observed reported report reports measured measures measuring "
    "measurement measurements marked looked sought size sized diameter axis long short volume area mean density "
    "number score scores over below between above under more most largest smallest least up approximately about "
    "finding findings study image images scan model models result results ai part parts side sided unknown within "
    "week month months half year years before two three than evidence present exclude does do them told tell "
    "difference can comes made further list listed lists one ended given give slices missing interpolated some "
    "left out general question answered demonstration clinical use research medical product products any remark "
    "read nothing said here what model's disagree another"
)
_MORE = "others that the reports list"
# What is denied in these is no finding.
_IDIOMS = (
    "what is not reported is not excluded", "unchanged is what the voxels cannot tell apart", "not for clinical use",
    "which is no medical product", "which are no medical products", "no finding was looked for",
    "no model has given a result", "without a result", "nothing can be said of it", "not told here",
    "was not made for this question", "without a figure", _MORE, "some images were left out",
    "compared with an earlier study", "further results are", "further result is", "results are", "result is",
    "more than two years before",
    "a further remark", "within three months", "within two years", "no longer reported",
)  # fmt: skip
# SNOMED CT, NCIt: other words for what a code means.
_SYNONYMS: Mapping[str, str] = {
    "79654002": "oedema edema swelling",
    "6574001": "necrosis necrotic",
    "C113842": "enhancing enhancement lesion",
    "27925004": "nodule nodules",
    "786838002": "nodule nodules pulmonary",
    "309529002": "mass masses pulmonary",
    "60046008": "effusion effusions pleural",
    "8186001": "cardiomegaly enlarged heart cardiac",
    "409609008": "infiltrate infiltrates infiltration",
    "19242006": "oedema edema pulmonary",
    "87433001": "emphysema pulmonary",
    "51615001": "fibrosis pulmonary",
    "84089009": "hernia hiatal",
    "39607008": "lung lungs pulmonary",
    "12738006": "brain cerebral intracranial",
}
_BODY_PARTS = {"CHEST": "chest thorax thoracic", "THORAX": "chest thorax", "BRAIN": "brain head", "HEAD": "head brain"}
_MODALITIES = {
    "CT": "ct computed tomography",
    "MR": "mr mri magnetic resonance",
    "DX": "radiograph x-ray",
    "CR": "radiograph",
}
_TOKEN = re.compile(r"[-+]?\d+(?:\.\d+)?(?![\d/-])|%|[a-z]+/ml|[a-z][a-z'-]*[23]?", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_IDENTITY = (
    re.compile(r"\d{5,}"), re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"), re.compile(r"(?:\d+\.){2,}\d+"),
    re.compile(r"[\^@\\_#]"), re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof)\b\.?"),
    re.compile(r"\b(?:named?|born|aged?|accession|hospital|clinic|doctor)\b", re.IGNORECASE),
    re.compile(r"\b(?:January|February|March|April|June|July|August|September|October|November|December)\b"),
)  # fmt: skip
_MOST_SENTENCES, _MOST_LETTERS = 11, 800
_TOLD = (Topic.FINDING, Topic.NEGATIVE, Topic.MEASUREMENT)


def complaints(impression: Impression, facts: Facts, rules: Collection[str] = ()) -> tuple[Complaint, ...]:
    """What the facts do not hold of an impression; `rules` are the sentences that rules of guidelines made."""
    found = [
        complaint
        for number, one in enumerate(impression.sentences)
        for complaint in _sentence(one, number, facts, rules)
    ]
    return (*found, *_whole(impression.sentences, facts))


def _sentence(one: Sentence, number: int, facts: Facts, rules: Collection[str]) -> Iterator[Complaint]:
    known = facts.by_id()
    yield from (Complaint(Kind.NO_FACT, name, number) for name in one.facts if name not in known)
    if one.topic is Topic.GUIDELINE:
        yield from () if one.text in rules and one.guideline else (Complaint(Kind.RECOMMENDATION, one.text, number),)
        return
    cited = [known[name] for name in one.facts if name in known]
    if len(one.text) > _MOST_LETTERS:
        yield Complaint(Kind.LENGTH, f"{len(one.text)} letters", number)
    text = _without_titles(one.text, facts)
    for pattern in _IDENTITY:
        yield from (Complaint(Kind.IDENTITY, found, number) for found in pattern.findall(text))
    for kind, word in _content(replace(one, text=text), cited, facts):
        yield Complaint(kind, word, number)


def _without_titles(text: str, facts: Facts) -> str:
    """Without the titles of the models that gave facts, the longest first: they are no words about the patient."""
    for title in sorted({one.model for one in facts.facts} - {"model"}, key=len, reverse=True):
        text = text.replace(title, " ")
    return text


def _content(one: Sentence, cited: Sequence[Fact], facts: Facts) -> Iterator[tuple[Kind, str]]:
    text = one.text.lower()
    for idiom in _IDIOMS:
        text = text.replace(idiom, " ")
    tokens = _TOKEN.findall(text)
    held = _held(cited, facts)
    yield from _figures(tokens, cited, facts)
    yield from _vocabulary(tokens, held)
    yield from _sides(tokens, cited, held)
    yield from _compared(tokens, cited)
    yield from _denied(one, tokens, cited)


def _held(cited: Sequence[Fact], facts: Facts) -> frozenset[str]:
    """Every word that the cited facts give leave to say."""
    said: list[str] = [_BODY_PARTS.get(facts.body_part, ""), _MODALITIES.get(facts.modality, "")]
    for one in cited:
        codes = [one.finding, one.site, one.laterality, *(amount.measurement.name for amount in one.amounts)]
        codes += [amount.measurement.derivation for amount in one.amounts] + [change.name for change in one.changes]
        said += [one.label, *(code.meaning for code in codes if code)]
        said += [_SYNONYMS.get(code.value, "") for code in codes if code]
    words = {word for text in said for word in re.findall(r"[a-z][a-z'-]*", text.lower())}
    return frozenset(words | {f"{word}s" for word in words} | {word.removesuffix("s") for word in words})


def _figures(tokens: Sequence[str], cited: Sequence[Fact], facts: Facts) -> Iterator[tuple[Kind, str]]:
    pairs, bare = _pairs(cited), _counts(cited, facts)
    for place, token in enumerate(tokens):
        if token in _COUNTS and token != "one" and float(_COUNTS[token]) not in bare:
            yield Kind.NUMBER, token
        if token in _MANY and not any(count > 1 for count in bare):
            yield Kind.NUMBER, token
        if not _NUMBER.fullmatch(token):
            continue
        unit = _unit_after(tokens, place)
        value = float(token)
        if unit and (value, unit) not in pairs:
            yield (Kind.UNIT if value in {known for known, _ in pairs} else Kind.NUMBER), f"{token} {unit}"
        elif not unit and value not in bare | _in_labels(cited):
            yield Kind.NUMBER, token


def _unit_after(tokens: Sequence[str], place: int) -> str:
    """The unit of the number at a place, also of `25 to 50 %` and `34 x 28 mm`."""
    following = list(tokens[place + 1 : place + 4])
    if len(following) > 2 and following[0] in ("to", "x", "by", "and", "or") and _NUMBER.fullmatch(following[1]):
        following = following[2:]
    return _UNITS.get(following[0], "") if following else ""


def _pairs(cited: Sequence[Fact]) -> set[tuple[float, str]]:
    """Each number that the facts say, with its unit."""
    said = [amount.said for one in cited for amount in one.amounts]
    said += [change.said for one in cited for change in one.changes]
    said += [one.score.value for one in cited if one.score]
    found: set[tuple[float, str]] = set()
    for text in said:
        tokens = _TOKEN.findall(text.lower())
        for place, token in enumerate(tokens):
            if _NUMBER.fullmatch(token):
                found.add((float(token), _unit_after(tokens, place)))
    return found


def _counts(cited: Sequence[Fact], facts: Facts) -> set[float]:
    """How many there are: of each, of those alike, of those alike on one side; and what is counted of the study."""
    groups: dict[object, int] = {}
    for one in cited:
        for key in ((one.id,), (one.finding, one.label), (one.finding, one.label, one.site, one.laterality)):
            groups[key] = groups.get(key, 0) + one.count
    whole = {value for value, unit in _pairs(cited) if not unit}
    known = {float(one) for one in groups.values()} | whole
    return (
        known
        if cited and not facts.unread and not facts.left_out
        else known | {float(facts.unread), float(facts.left_out)}
    )


def _in_labels(cited: Sequence[Fact]) -> set[float]:
    return {float(number) for one in cited for number in re.findall(r"\d+", one.label)}


def _vocabulary(tokens: Sequence[str], held: Collection[str]) -> Iterator[tuple[Kind, str]]:
    lists = (
        (Kind.SITE, _SITES), (Kind.FINDING, _FINDINGS), (Kind.NORMAL, _NORMAL), (Kind.CERTAINTY, _CERTAIN),
        (Kind.RECOMMENDATION, _ADVICE), (Kind.INSTRUCTION, _INSTRUCTIONS),
    )  # fmt: skip
    elsewhere = {*_COUNTS, *_MANY, *_RIGHT, *_LEFT, *_BOTH, *_DENIES, *_GREW, *_SHRANK, *_SAME, *_EARLIER, *_UNITS}
    for token in tokens:
        if token in held or _NUMBER.fullmatch(token) or token == "x":
            continue
        kinds = [kind for kind, words in lists if token in words]
        yield from ((kind, token) for kind in kinds[:1])
        if not kinds and token not in _ENGLISH and token not in elsewhere:
            yield Kind.WORD, token


def _sides(tokens: Sequence[str], cited: Sequence[Fact], held: Collection[str]) -> Iterator[tuple[Kind, str]]:
    """A side of no cited fact; and a figure between two sides of which neither has it."""
    sides = {"right": _RIGHT, "left": _LEFT}
    of = {side: [one for one in cited if side in _sided(one)] for side in sides}
    for token in tokens:
        if token in _BOTH and not (of["right"] and of["left"]):
            yield Kind.SIDE, token
        yield from (
            (Kind.SIDE, token) for side, words in sides.items() if token in words and not of[side] and token not in held
        )
    at = {place: side for place, token in enumerate(tokens) for side, words in sides.items() if token in words}
    unsided = [one for one in cited if not _sided(one)]
    for place, token in enumerate(tokens):
        unit = _unit_after(tokens, place) if _NUMBER.fullmatch(token) else ""
        if not unit or unit == "%" or not at or (float(token), unit) not in _pairs(cited):
            continue
        before = [at[one] for one in at if one < place][-1:]
        after = [at[one] for one in at if one > place][:1]
        near = [fact for side in (*before, *after) for fact in of[side]]
        if (float(token), unit) not in _pairs([*near, *unsided]):
            yield Kind.SIDE, f"{token} {unit}"


def _sided(fact: Fact) -> frozenset[str]:
    side = fact.laterality.meaning if fact.laterality else ""
    return frozenset(re.findall("right|left", f"{side} {fact.label}".lower()))


def _compared(tokens: Sequence[str], cited: Sequence[Fact]) -> Iterator[tuple[Kind, str]]:
    said = [change.said for one in cited for change in one.changes]
    leave = (
        (_GREW, any(one.startswith("+") for one in said)), (_SHRANK, any(one.startswith("-") for one in said)),
        (_SAME, "" in said), (_EARLIER, bool(said)),
    )  # fmt: skip
    for token in tokens:
        yield from ((Kind.COMPARISON, token) for words, allowed in leave if token in words and not allowed)


def _denied(one: Sentence, tokens: Sequence[str], cited: Sequence[Fact]) -> Iterator[tuple[Kind, str]]:
    denials = [token for token in tokens if token in _DENIES]
    if "disagree" in tokens and one.topic is Topic.CAUTION:
        if not {Presence.PRESENT, Presence.ABSENT} <= {fact.presence for fact in cited}:
            yield Kind.NEGATION, "disagree"
        return
    if one.topic in (Topic.CHANGE, Topic.CAUTION):
        yield from ((Kind.NEGATION, token) for token in denials)
        return
    present = [fact for fact in cited if fact.presence is not Presence.ABSENT]
    absent = [fact for fact in cited if fact.presence is Presence.ABSENT]
    if denials and (present or not absent):
        yield Kind.NEGATION, denials[0]
    if absent and not denials:
        yield Kind.NEGATION, absent[0].label


def _whole(sentences: Sequence[Sentence], facts: Facts) -> Iterator[Complaint]:
    if not 0 < len(sentences) <= _MOST_SENTENCES:
        yield Complaint(Kind.LENGTH, f"{len(sentences)} sentences")
    told = [(name, one.text) for one in sentences if one.topic in _TOLD for name in one.facts]
    names = [name for name, _ in told]
    yield from (Complaint(Kind.TWICE, name) for name in sorted({one for one in names if names.count(one) > 1}))
    weighed = [set(one.facts) for one in sentences if "disagree" in one.text]
    for fact in facts.facts:
        for other in facts.facts:
            if _exclude_each_other(fact, other) and not any({fact.id, other.id} <= both for both in weighed):
                yield Complaint(Kind.CHOICE, f"{fact.id} {other.id}")
        if fact.presence is Presence.PRESENT and not any(
            name == fact.id and _mentions(text, fact) for name, text in told
        ):
            yield Complaint(Kind.OMISSION, fact.id)


def _exclude_each_other(one: Fact, other: Fact) -> bool:
    """One has the code of the other, which is denied, and each may lie where the other does."""
    apart = any(a and b and a != b for a, b in ((one.site, other.site), (one.laterality, other.laterality)))
    says = (one.presence, other.presence) == (Presence.PRESENT, Presence.ABSENT)
    return says and one.finding.value == other.finding.value != "404684003" and not apart


def _mentions(text: str, fact: Fact) -> bool:
    """Whether a sentence has a word of the finding, or says that the reports list others."""
    words = {*fact.label.lower().split(), *fact.finding.meaning.lower().split()}
    words |= set(_SYNONYMS.get(fact.finding.value, "").split())
    said = text.lower()
    return any(len(word) > 3 and word.removesuffix("s") in said for word in words) or _MORE in said
