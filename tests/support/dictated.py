"""Right sentences as people dictate them and language models write them, each with the facts that it rests on.

They were written without a look at the words that the checker knows, so that the share of them that it refuses says how
much plain English it costs. Of 200 sentences 191 are in `DICTATED` (the facts' name, the ids cited, the sentence); nine
are in `OVERSAID`: they say more than their facts hold, as one reads them again.
"""

from domain.findings import Code
from domain.impressions import Change, Fact, Facts, Interval, Presence, ScoreBand
from tests.support.told_facts import LEFT, LONG_AXIS, LUNG, ML, MM, NODULE, RIGHT, VOLUME, amount, axes, chest

KIDNEY, LIVER = Code("64033007", "SCT", "Kidney"), Code("10200004", "SCT", "Liver")
LESION = Code("52988006", "SCT", "Lesion")


def film() -> Facts:
    """A chest radiograph: consolidation and effusion on the left, a heart that may be large, five things absent."""
    title = "Chest radiograph findings"
    effusion = Code("60046008", "SCT", "Pleural effusion")
    consolidation = Code("95436008", "SCT", "Lung consolidation")
    return Facts(
        (
            Fact(
                *("F1", consolidation, "Consolidation", Presence.PRESENT, title, LUNG, LEFT),
                score=ScoreBand.HIGHEST,
            ),
            Fact("F2", effusion, "Effusion", Presence.PRESENT, title, None, LEFT, score=ScoreBand.HIGH),
            Fact(
                *("F3", Code("8186001", "SCT", "Cardiomegaly"), "Cardiomegaly", Presence.PRESENT, title),
                score=ScoreBand.LOW,
            ),
            _absent("F4", "36118008", "Pneumothorax", title),
            _absent("F5", "125605004", "Fracture", title),
            _absent("F6", "46621007", "Atelectasis", title),
            _absent("F7", "87433001", "Pulmonary emphysema", title, "Emphysema"),
            Fact("F8", NODULE, "Nodule", Presence.ABSENT, title, LUNG),
        ),
        modality="DX",
        body_part="CHEST",
    )


def brain() -> Facts:
    """A tumour's parts in a brain MR: one has grown, one has shrunk, one is as it was; no haemorrhage."""
    title = "Brain tumour in MR"
    return Facts(
        (
            Fact(
                *("F1", Code("C113842", "NCIt", "Enhancing Lesion"), "Enhancing tumour", Presence.PRESENT, title),
                amounts=(amount(VOLUME, 12.4, ML, "12.4 ml"),),
                changes=(Change(VOLUME, 3.1, ML, "+3.1 ml", Interval.MONTHS),),
            ),
            Fact(
                *("F2", Code("79654002", "SCT", "Edema"), "Oedema", Presence.PRESENT, title),
                amounts=(amount(VOLUME, 38.0, ML, "38.0 ml"),),
                changes=(Change(VOLUME, -5.2, ML, "-5.2 ml", Interval.MONTHS),),
            ),
            Fact(
                *("F3", Code("6574001", "SCT", "Necrosis"), "Necrotic core", Presence.PRESENT, title),
                amounts=(amount(VOLUME, 2.1, ML, "2.1 ml"),),
                changes=(Change(VOLUME, 0.0, ML, "", Interval.MONTHS),),
            ),
            _absent("F4", "1386000", "Intracranial hemorrhage", "Bleeding in MR", "Intracranial haemorrhage"),
        ),
        modality="MR",
        body_part="BRAIN",
    )


def abdomen() -> Facts:
    """A lesion in the right kidney, three in the liver, five organs measured; no gallstone, no free fluid."""
    organs, lesions = "Organs in abdominal CT", "Lesions in abdominal CT"
    return Facts(
        (
            Fact(
                *("F1", LESION, "Lesion", Presence.PRESENT, lesions, KIDNEY, RIGHT),
                amounts=(amount(LONG_AXIS, 23, MM, "23 mm"),),
                score=ScoreBand.HIGHEST,
                changes=(Change(LONG_AXIS, 4, MM, "+4 mm", Interval.YEAR),),
            ),
            Fact(*("F2", LESION, "Lesion", Presence.PRESENT, lesions, LIVER, None, axes(9.5, 7.1)), count=3),
            _organ("F3", Code("10200004", "SCT", "Liver"), "Liver", 1480, None, organs),
            _organ("F4", Code("78961009", "SCT", "Spleen"), "Spleen", 210, None, organs),
            _organ("F5", KIDNEY, "Right kidney", 160, RIGHT, organs),
            _organ("F6", KIDNEY, "Left kidney", 155, LEFT, organs),
            _organ("F7", Code("15776009", "SCT", "Pancreas"), "Pancreas", 74, None, organs),
            _absent("F8", "235919008", "Gallstone", lesions),
            _absent("F9", "389026000", "Ascites", lesions),
        ),
        modality="CT",
        body_part="ABDOMEN",
    )


def _absent(name: str, value: str, meaning: str, model: str, label: str = "") -> Fact:
    return Fact(name, Code(value, "SCT", meaning), label or meaning, Presence.ABSENT, model)


def _organ(name: str, code: Code, label: str, volume: float, side: Code | None, model: str) -> Fact:
    amounts = (amount(VOLUME, volume, ML, f"{volume} ml"),)
    return Fact(name, code, label, Presence.MEASURED, model, None, side, amounts)


STUDIES = {"chest": chest, "film": film, "brain": brain, "abdomen": abdomen}

_CHEST = (
    ("F1", "There is a 6.4 mm nodule candidate in the right lung."),
    ("F1", "A nodule candidate in the right lung measures 6.4 x 4.2 mm."),
    ("F1", "Right lung: nodule candidate, 6.4 x 4.2 mm."),
    ("F1", "Nodule candidate of 6.4 mm in the right lung."),
    ("F1", "The nodule candidate in the right lung has grown by 1.5 mm within three months."),
    ("F1", "The right lung nodule candidate has increased in size by 1.5 mm and now measures 6.4 mm."),
    ("F1", "Interval growth of the right lung nodule candidate, which is 1.5 mm larger than before."),
    ("F1", "The right-sided nodule candidate now measures 6.4 mm in its long axis, 1.5 mm more than before."),
    ("F1", "A nodule in the right lung measures 6.4 mm in long axis and 4.2 mm in short axis."),
    ("F1", "The model detected a nodule candidate in the right lung with a score over 75 %."),
    ("F1", "A nodule candidate was found in the right lung, measuring 6.4 mm by 4.2 mm."),
    ("F1", "Single nodule candidate in the right lung, 6.4 mm in greatest diameter."),
    ("F1", "The largest diameter of the nodule candidate in the right lung is 6.4 mm."),
    ("F1", "Growing nodule candidate in the right lung, 6.4 mm."),
    ("F2", "A 3.1 mm nodule candidate is seen in the left lung."),
    ("F2", "In the left lung, there is a nodule candidate measuring 3.1 x 2.2 mm."),
    ("F2", "A nodule candidate in the left lung, 3.1 mm long and 2.2 mm short axis, was detected."),
    ("F2", "Left lung nodule candidate with axes of 3.1 mm and 2.2 mm."),
    ("F2", "The left lung contains a nodule candidate of 3.1 mm."),
    ("F2", "A possible nodule of 3.1 mm is noted in the left lung, with a score of 50 to 75 %."),
    ("F1 F2", "There are two nodule candidates, one of 6.4 mm in the right lung and one of 3.1 mm in the left lung."),
    ("F1 F2", "Nodule candidates are present in the right lung (6.4 mm) and in the left lung (3.1 mm)."),
    ("F1 F2", "Two nodule candidates: 6.4 mm in the right lung and 3.1 mm in the left lung."),
    ("F1 F2", "Nodule candidates are seen in both lungs."),
    ("F1 F2", "A nodule candidate was found in each lung."),
    ("F1 F2", "Nodule candidates measuring 6.4 mm on the right and 3.1 mm on the left."),
    ("F1 F2", "The nodule candidate in the right lung measures 6.4 mm; the one in the left lung measures 3.1 mm."),
    ("F1 F2", "Two pulmonary nodule candidates were detected, the larger measuring 6.4 mm in the right lung."),
    ("F1 F2", "Bilateral nodule candidates."),
    ("F3", "The right lung has a volume of 2400 ml."),
    ("F3", "Right lung volume is 2400 ml with a mean attenuation of -812 HU."),
    ("F3", "The right lung measures 2400 ml, and its mean density is -812 HU."),
    ("F4", "Left lung volume: 2100 ml."),
    ("F4", "The left lung has a mean density of -803 HU."),
    ("F3 F4", "The lung volumes are 2400 ml on the right and 2100 ml on the left."),
    ("F3 F4", "The right lung measures 2400 ml and the left lung 2100 ml."),
    ("F3 F4", "Mean attenuation is -812 HU in the right lung and -803 HU in the left lung."),
    ("F5", "No pneumothorax."),
    ("F5", "There is no evidence of pneumothorax."),
    ("F5", "Pneumothorax was not detected."),
    ("F6", "No pleural effusion is seen."),
    ("F6", "The model reported no effusion."),
    ("F5 F6", "No pneumothorax or pleural effusion."),
    ("F5 F6", "There is neither a pneumothorax nor an effusion."),
    ("F5 F6", "Pneumothorax and effusion are absent."),
    ("F7", "Cardiomegaly is possible, with a score of 25 to 50 %."),
    ("F7", "Possible cardiomegaly (score 25 to 50 %)."),
    ("F5 F6 F7", "There is possible cardiomegaly, but no pneumothorax and no pleural effusion."),
    ("F1 F5", "A 6.4 mm nodule candidate is present in the right lung, without pneumothorax."),
)
_FILM = (
    ("F1", "There is consolidation in the left lung."),
    ("F1", "Left lung consolidation."),
    ("F1", "Consolidation of the left lung is seen, with a score over 75 %."),
    ("F1", "Consolidation is present on the left."),
    ("F1", "A consolidation was detected in the left lung."),
    ("F1", "Findings are suggestive of consolidation in the left lung."),
    ("F1", "Left-sided lung consolidation is noted."),
    ("F1", "Consolidation likely in the left lung."),
    ("F1", "The radiograph shows consolidation in the left lung."),
    ("F2", "There is a left pleural effusion."),
    ("F2", "Left-sided pleural effusion."),
    ("F2", "An effusion is seen on the left side, with a score between 50 and 75 %."),
    ("F2", "Left pleural effusion is likely."),
    ("F2", "Probable left pleural effusion, score 50 to 75 %."),
    ("F2", "A pleural effusion is identified on the left."),
    ("F1 F2", "Consolidation and pleural effusion on the left."),
    ("F1 F2", "There is left lung consolidation with a left pleural effusion."),
    ("F1 F2", "Left lung consolidation and left-sided pleural effusion are present."),
    ("F1 F2", "The left lung shows consolidation, and there is also an effusion on the left."),
    ("F1 F2", "The findings include consolidation in the left lung and a pleural effusion on the same side."),
    ("F3", "The heart may be enlarged, with a score of 25 to 50 %."),
    ("F3", "Questionable cardiomegaly."),
    ("F3", "Cardiomegaly was reported with a score of 25 to 50 %."),
    ("F3", "There may be cardiomegaly."),
    ("F4", "No pneumothorax is identified."),
    ("F4", "Pneumothorax: not seen."),
    ("F4", "There is no sign of a pneumothorax."),
    ("F5", "No fracture."),
    ("F5", "No fractures are seen."),
    ("F5", "A fracture is not demonstrated."),
    ("F6", "Atelectasis is not seen."),
    ("F7", "No signs of emphysema."),
    ("F7", "Emphysema was looked for and not found."),
    ("F8", "No lung nodule is seen."),
    ("F8", "There are no nodules in the lungs."),
    ("F8", "No pulmonary nodules were detected."),
    ("F4 F5", "No pneumothorax and no fracture."),
    ("F4 F5 F6", "No pneumothorax, fracture, or atelectasis."),
    ("F4 F5 F6 F7", "There is no evidence of pneumothorax, fracture, atelectasis or emphysema."),
    ("F4 F5 F6 F7 F8", "Negative for pneumothorax, fracture, atelectasis, emphysema and nodules."),
    ("F4 F5 F6 F7", "Pneumothorax, fracture, atelectasis and emphysema were not detected."),
    ("F2 F4", "There is a left pleural effusion but no pneumothorax."),
    ("F1 F4", "Left lung consolidation without pneumothorax."),
    ("F1 F2 F3", "Consolidation and effusion on the left; cardiomegaly is possible."),
    (
        "F1 F2 F4 F5",
        "Left lung consolidation and left effusion are present, while pneumothorax and fracture are absent.",
    ),
    ("F4 F6", "Neither pneumothorax nor atelectasis is seen."),
)
_BRAIN = (
    ("F1", "The enhancing tumour has a volume of 12.4 ml."),
    ("F1", "Enhancing tumour measuring 12.4 ml."),
    ("F1", "The enhancing tumour has grown by 3.1 ml within three months."),
    ("F1", "The enhancing tumour measures 12.4 ml, an increase of 3.1 ml within three months."),
    ("F1", "Enhancing tumour volume has increased by 3.1 ml to 12.4 ml."),
    ("F1", "The volume of the enhancing tumour is 12.4 ml, 3.1 ml larger than in the earlier study."),
    ("F1", "Compared with the prior study, the enhancing tumour is larger by 3.1 ml."),
    ("F1", "Enhancing tumor: 12.4 ml (+3.1 ml)."),
    ("F1", "There is an enhancing tumour with a volume of 12.4 ml."),
    ("F1", "There is growth of the enhancing tumour, now 12.4 ml."),
    ("F1", "An enhancing lesion of 12.4 ml is present."),
    ("F2", "The oedema has a volume of 38.0 ml."),
    ("F2", "The oedema has decreased by 5.2 ml within three months."),
    ("F2", "Oedema measures 38.0 ml, 5.2 ml less than before."),
    ("F2", "Edema volume has decreased by 5.2 ml to 38.0 ml."),
    ("F2", "There is a decrease in oedema of 5.2 ml compared with the previous study."),
    ("F2", "Oedema is present, with a volume of 38.0 ml, smaller than in the prior study."),
    ("F2", "Oedema: 38.0 ml (-5.2 ml)."),
    ("F2", "Reduction of the oedema by 5.2 ml, now 38.0 ml."),
    ("F2", "The oedema now measures 38.0 ml, down by 5.2 ml."),
    ("F3", "The necrotic core has a volume of 2.1 ml."),
    ("F3", "The necrotic core is unchanged at 2.1 ml."),
    ("F3", "The necrotic core is stable."),
    ("F3", "Necrotic core of 2.1 ml, stable within three months."),
    ("F3", "No change in the necrotic core, which measures 2.1 ml."),
    ("F3", "The volume of the necrotic core, 2.1 ml, has not changed."),
    ("F3", "Necrosis is present with a volume of 2.1 ml."),
    ("F3", "The necrotic core remains unchanged compared with the previous examination."),
    ("F4", "No intracranial haemorrhage."),
    ("F4", "There is no intracranial hemorrhage."),
    ("F4", "There is no evidence of intracranial haemorrhage."),
    ("F4", "Intracranial haemorrhage was not found."),
    ("F1 F2", "The enhancing tumour measures 12.4 ml and the oedema 38.0 ml."),
    ("F1 F2", "The enhancing tumour has grown by 3.1 ml, while the oedema has decreased by 5.2 ml."),
    ("F1 F2", "Enhancing tumour of 12.4 ml with oedema of 38.0 ml."),
    ("F1 F2", "The enhancing tumour is larger, but the oedema is smaller than before."),
    ("F1 F3", "The enhancing tumour has increased by 3.1 ml, whereas the necrotic core is unchanged."),
    ("F1 F3", "The enhancing tumour measures 12.4 ml and its necrotic core 2.1 ml."),
    ("F2 F3", "The oedema measures 38.0 ml and the necrotic core measures 2.1 ml."),
    ("F2 F3", "The oedema has decreased; the necrotic core is stable."),
    ("F1 F2 F3", "Volumes: enhancing tumour 12.4 ml, oedema 38.0 ml, necrotic core 2.1 ml."),
    ("F1 F2 F3", "There is an enhancing tumour of 12.4 ml, oedema of 38.0 ml and a necrotic core of 2.1 ml."),
    ("F1 F4", "The enhancing tumour measures 12.4 ml; there is no intracranial haemorrhage."),
    ("F1 F4", "Enhancing tumour of 12.4 ml without intracranial haemorrhage."),
    ("F2 F4", "Oedema of 38.0 ml is present, but no haemorrhage is seen."),
    ("F1 F2 F3", "The enhancing tumour has grown, the oedema has decreased, and the necrotic core is unchanged."),
)
_ABDOMEN = (
    ("F1", "There is a 23 mm lesion in the right kidney."),
    ("F1", "A lesion in the right kidney measures 23 mm."),
    ("F1", "Right kidney lesion of 23 mm, 4 mm larger than before."),
    ("F1", "The lesion in the right kidney has grown by 4 mm within a year."),
    ("F1", "Right renal lesion measuring 23 mm."),
    ("F1", "The right kidney lesion has increased from the previous study by 4 mm."),
    ("F1", "The right kidney contains a lesion of 23 mm, with a score over 75 %."),
    ("F1", "A lesion with a long axis of 23 mm is present in the right kidney."),
    ("F1", "The right renal lesion has enlarged by 4 mm over the past year."),
    ("F1", "Enlarging lesion in the right kidney, currently 23 mm."),
    ("F1", "Compared to the earlier study, the right kidney lesion is 4 mm larger."),
    ("F1", "The lesion in the right kidney measures up to 23 mm."),
    ("F2", "There are three lesions in the liver."),
    ("F2", "Three liver lesions are seen, the largest measuring 9.5 mm."),
    ("F2", "Three hepatic lesions."),
    ("F2", "The liver contains three lesions."),
    ("F2", "Multiple liver lesions are present."),
    ("F2", "3 lesions were found in the liver."),
    ("F2", "Three lesions in the liver, up to 9.5 x 7.1 mm."),
    ("F3", "The liver has a volume of 1480 ml."),
    ("F3", "Liver volume is 1480 ml."),
    ("F3", "The volume of the liver was measured at 1480 ml."),
    ("F3", "The liver measures 1480 ml in volume."),
    ("F4", "Spleen: 210 ml."),
    ("F4", "The splenic volume is 210 ml."),
    ("F4", "Volume of the spleen, 210 ml."),
    ("F5", "The right kidney has a volume of 160 ml."),
    ("F6", "The left kidney measures 155 ml."),
    ("F7", "The pancreas has a volume of 74 ml."),
    ("F3 F4", "The liver measures 1480 ml and the spleen 210 ml."),
    ("F3 F4", "Liver and spleen volumes are 1480 ml and 210 ml, respectively."),
    ("F5 F6", "The kidneys measure 160 ml on the right and 155 ml on the left."),
    ("F5 F6", "Kidney volumes: right 160 ml, left 155 ml."),
    ("F5 F6", "The right kidney has a volume of 160 ml, the left kidney 155 ml."),
    ("F3 F4 F7", "Volumes of liver, spleen and pancreas are 1480 ml, 210 ml and 74 ml."),
    ("F3 F4 F7", "Organ volumes: liver 1480 ml, spleen 210 ml, pancreas 74 ml."),
    ("F8", "No gallstones."),
    ("F8", "No gallstone is seen."),
    ("F9", "There is no ascites."),
    ("F9", "Ascites is absent."),
    ("F8 F9", "No gallstones or ascites."),
    ("F8 F9", "There is no evidence of gallstones, and ascites is not seen."),
    ("F1 F2", "There is one lesion in the right kidney and there are three in the liver."),
    ("F1 F2", "Lesions are present in the right kidney and in the liver."),
    ("F1 F2", "A 23 mm lesion in the right kidney and three lesions in the liver were detected."),
    ("F1 F9", "There is a 23 mm lesion in the right kidney, but no ascites."),
    ("F1 F5", "The right kidney measures 160 ml and contains a 23 mm lesion."),
    ("F2 F3", "The liver has a volume of 1480 ml and contains three lesions."),
    ("F1 F6", "The right kidney shows a 23 mm lesion; the left kidney has a volume of 155 ml."),
    ("F1 F8 F9", "The right kidney lesion measures 23 mm, and there are no gallstones and no ascites."),
)
DICTATED: tuple[tuple[str, tuple[str, ...], str], ...] = tuple(
    (study, tuple(cited.split()), text)
    for study, rows in (("chest", _CHEST), ("film", _FILM), ("brain", _BRAIN), ("abdomen", _ABDOMEN))
    for cited, text in rows
)

OVERSAID: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("chest", ("F2",), "Small nodule candidate of 3.1 mm on the left.", "no fact calls it small"),
    (
        "film",
        ("F1",),
        "The model found consolidation in the left lung with a probability of over 75 %.",
        "a score is no probability",
    ),
    (
        "film",
        ("F1", "F2"),
        "Consolidation in the left lung, accompanied by a left pleural effusion.",
        "one belongs to the other",
    ),
    ("film", ("F3",), "Cardiomegaly cannot be excluded (score 25 to 50 %).", "what can be excluded no model says"),
    ("film", ("F3",), "Cardiomegaly is reported with a low score of 25 to 50 %.", "no fact calls it low"),
    ("brain", ("F1",), "The enhancing component of the tumour measures 12.4 ml.", "no fact knows of a whole tumour"),
    ("brain", ("F2",), "The surrounding oedema has shrunk.", "where it is no fact says"),
    ("brain", ("F1", "F2"), "Enhancing tumour (12.4 ml) with associated oedema (38.0 ml).", "one belongs to the other"),
    (
        "brain",
        ("F1", "F2", "F3"),
        "The tumour comprises an enhancing part of 12.4 ml, a necrotic core of 2.1 ml and oedema of 38.0 ml.",
        "no fact knows of a whole tumour",
    ),
)
