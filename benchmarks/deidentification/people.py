"""Persons that never lived, whom planted objects name: ordinary names of many languages, and names that are words."""

import random
from dataclasses import dataclass

_GIVEN = """
    Ottoline Anneliese Bartholomew Chiara Dimitrios Eilidh Fatoumata Gwendolyn Hiroshi Ingeborg Joaquin
    Katarzyna Lorenzo Mehmet Nkechi Oluwaseun Priyanka Quentin Rosalind Siobhan Thaddeus Urszula Vikram
    Wilhelmina Xiomara Yevgeniya Zbigniew Amina Bjorn Carmen Desmond Elif Farouk Giulia Hannelore Igor
    Jamila Kwame Leila Matteo
""".split()  # noqa: SIM905 - a list of so many words is not read better
_FAMILY = """
    Quillfeather Abernathy Bergstrom Castellanos Dombrowski Eisenhauer Ferreira Gallagher Hernandez
    Iwanowski Jankovic Kobayashi Lindqvist Mukherjee Nakamura Okonkwo Papadopoulos Quintero Rasmussen
    Schwarzkopf Tremblay Ueberroth Vandenberg Wojciechowski Ximenes Yamashita Zimmermann Adeyemi Benedetti
    Chaudhary Delacroix Engelhardt Fitzgerald Guerrero Hofstetter Ivanova Jorgensen Krishnan Lombardi
    McAllister
""".split()  # noqa: SIM905 - a list of so many words is not read better
# Surnames that are words of anatomy, imaging or English: a list of harmless words cannot tell them.
_WORDS = """
    White Long Young Head Foot Bell Stern Rose Hand Bone Short Little Cross Wall Field Page Sharp Kern
""".split()  # noqa: SIM905 - a list of so many words is not read better
_FOREIGN = ("Ström", "Müller", "Nuñez", "Łukasz", "Çelik", "Øster", "Þórsdóttir", "Гончаров", "山田", "Ελευθερίου")
_STREETS = ("Harbour Row", "Lindenallee", "Rua das Flores", "Kirkegate", "Via dei Mille", "Sakura Dori")


@dataclass(frozen=True)
class Person:
    """Who somebody is said to be, and by what else they can be found."""

    given: str
    family: str
    ident: str
    phone: str
    street: str
    born: str

    @property
    def name(self) -> str:
        """As a value of VR PN."""
        return f"{self.family}^{self.given}"


def person(chance: random.Random, words: bool = False, foreign: bool = False) -> Person:
    """Somebody; with `words` called by a word that means something else, with `foreign` in letters beyond ASCII."""
    family = chance.choice(_WORDS if words else _FOREIGN if foreign else _FAMILY)
    return Person(
        chance.choice(_GIVEN),
        family,
        f"{chance.choice('ABKMX')}{chance.randrange(10**6, 10**8)}",
        f"+{chance.randrange(10, 99)} {chance.randrange(100, 999)} {chance.randrange(10**6, 10**7)}",
        f"{chance.randrange(1, 300)} {chance.choice(_STREETS)}",
        f"19{chance.randrange(20, 99)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}",
    )
