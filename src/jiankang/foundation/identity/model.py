"""What the identity room thinks in: a registration as written, and the comparable record made of it."""

from __future__ import annotations

import msgspec


class WrittenName(msgspec.Struct, frozen=True, gc=False):
    """A name as somebody wrote it; `family` and `given` are empty where only the whole is known."""

    text: str = ""
    family: str = ""
    given: str = ""


class WrittenDocument(msgspec.Struct, frozen=True, gc=False):
    """A document's number as written; `kind` is one of `documents.KINDS` or empty, `country` ISO 3166-1 alpha-3."""

    value: str
    kind: str = ""
    country: str = ""


class WrittenAddress(msgspec.Struct, frozen=True, gc=False):
    """An address as written; `code` is a division code of 6, 9 or 12 digits (GB/T 2260, GB/T 10114)."""

    text: str = ""
    code: str = ""
    district: str = ""


class Written(msgspec.Struct, frozen=True):
    """A registration before anything is judged: what one source wrote about one person.

    The first name is the one in use; `mother` is the mother's name of a newborn, `order` its place among twins.
    """

    names: tuple[WrittenName, ...] = ()
    documents: tuple[WrittenDocument, ...] = ()
    phones: tuple[str, ...] = ()
    addresses: tuple[WrittenAddress, ...] = ()
    birth: str = ""
    sex: str = ""
    mother: str = ""
    order: str = ""


class Record(msgspec.Struct, frozen=True, array_like=True):
    """A registration made comparable: columns of ASCII, "" or () where nothing is known.

    Only `hanzi` and `written` hold other characters, and they are compared for equality alone, because engines count
    string distances in different units. `findings` are codes of `reasons.REASONS`.
    """

    written: str = ""
    """The name cleaned, in whatever script."""
    hanzi: str = ""
    """The name in simplified characters without separators."""
    surname: str = ""
    given: str = ""
    name: str = ""
    """Surname and given name in pinyin; Latin names as sorted words."""
    sound: str = ""
    """Sorted syllables and words of the name: the same for every order and spacing."""
    names: tuple[str, ...] = ()
    """`sound` of every name and reading: former names, other readings of a surname, the name in Latin letters."""
    words: tuple[str, ...] = ()
    """The words of a Latin name."""
    sex: str = ""
    """`M`, `F` or nothing."""
    born: str = ""
    """YYYYMMDD, YYYYMM or YYYY."""
    citizen: str = ""
    """A valid 18-digit number: resident identity card, residence permit 81-83, foreigner's card of 2023."""
    citizen_written: str = ""
    """The same as written, valid or not."""
    documents: tuple[str, ...] = ()
    """Other documents as KIND:NUMBER or PPN:COUNTRY:NUMBER."""
    kinds: tuple[str, ...] = ()
    """What `documents` are, without their numbers."""
    travel: str = ""
    """One of them, for comparison by distance."""
    phones: tuple[str, ...] = ()
    """E.164 digits without the plus sign."""
    phone: str = ""
    county: str = ""
    """A division code of 6 digits."""
    town: str = ""
    place: str = ""
    """Village, estate or street."""
    house: str = ""
    mother: str = ""
    """`sound` of the mother's (or, of a newborn without a name, the parent's) name."""
    order: str = ""
    newborn: bool = False
    """Registered before being named: 某某之子."""
    unknown: bool = False
    """Registered without a name: 无名氏."""
    findings: tuple[str, ...] = ()

    @property
    def matchable(self) -> bool:
        """Whether there is enough to look for the person at all."""
        return bool(
            self.citizen
            or self.documents
            or (self.sound and (self.born or self.phones))
            or (self.mother and (self.born or self.phones))
        )
