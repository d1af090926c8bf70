"""On which side of the patient a finding lies, in words: never left out where the body has two of what it lies in."""

from domain.findings import Code, Region

# SNOMED CT codes of what a body has on either side; a code that names the side itself is none of them.
_PAIRED = frozenset(
    {
        "39607008",  # lung
        "45653009",  # upper lobe of lung
        "90572001",  # lower lobe of lung
        "3120008",  # pleura
        "64033007",  # kidney
        "23451007",  # adrenal gland
        "76752008",  # breast
        "15497006",  # ovary
        "40689003",  # testis
        "51299004",  # clavicle
        "79601000",  # scapula
        "85050009",  # humerus
        "29836001",  # hip
        "71341001",  # femur
        "72696002",  # knee
        "8205005",  # wrist
        "16982005",  # shoulder region
        "81745001",  # eye
    }
)


def place(region: Region) -> str:
    """`left lung`, or `lung, side not determined`; "" of a part that a body has once, and of none that is named."""
    site, side = region.site, region.laterality
    if site is None:
        return side.meaning.lower() if side else ""
    if side:
        return f"{side.meaning.lower()} {site.meaning.lower()}"
    return f"{site.meaning.lower()}, side not determined" if is_unsided(region) else ""


def is_unsided(region: Region) -> bool:
    """Whether it lies in one of two, and nobody said in which."""
    return region.laterality is None and region.site is not None and _is_paired(region.site)


def _is_paired(site: Code) -> bool:
    return site.scheme == "SCT" and site.value in _PAIRED
