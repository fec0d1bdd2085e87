"""The rule for names of users, agents and keys: short, visible, and without white space around them.

Which names look alike stands in `lookalikes`, and which user holds a name in `naming`.
"""

from typing import Annotated

import icu
from pydantic import AfterValidator, Field, WithJsonSchema

from models.errors import Invalid
from models.texts import SHAPELESS, blank, composed, storable

NAME_MAX = 80  # characters; users.name has the same in the database
MARKS_MAX = 4  # combining marks on one base character, as UTS #39 recommends

# Invisible, private and unassigned characters, and all white space but the plain space. Code points that are
# reserved for emoji are accepted: new ones come each year.
_REFUSED = icu.UnicodeSet(
    rf"[[[:C:][:Z:][:Default_Ignorable_Code_Point:]{SHAPELESS}]-[\ ]-[[:Cn:]&[:ExtPict:]]]"
)
_REFUSED.freeze()
# Letters of scripts in which joiners matter: cursive ones such as Arabic, and Indic ones.
_JOINED = r"[[[:L:][:M:]]&[[:jt=D:][:jt=R:][:jt=L:][:^InSC=Other:]]]"
# Invisible characters where a word or an emoji needs them.
_NEEDED = icu.RegexPattern.compile(
    "|".join(
        (
            rf"(?<={_JOINED}\p{{M}}{{0,{MARKS_MAX}}})[\u200C\u200D](?={_JOINED})",  # Persian, Hindi
            r"(?<=\p{ExtPict}[\p{EMod}\uFE0F]{0,2})\u200D(?=\p{ExtPict})",  # emoji sequences
            r"(?<=[\p{Emoji}\p{ExtPict}])[\uFE0E\uFE0F]",  # emoji or text presentation
            r"(?<=\U0001F3F4)[\U000E0020-\U000E007E]{1,6}\U000E007F",  # flags of regions
            r"(?<=\p{Script=Mongolian})[\u180B-\u180F]",  # Mongolian letter forms
            r"(?<=\p{Ideographic})[\U000E0100-\U000E01EF]",  # ideographic variants
        )
    )
)
_MARKS_AMISS = icu.RegexPattern.compile(rf"(^|\ )\p{{M}}|[\p{{Mn}}\p{{Me}}]{{{MARKS_MAX + 1},}}")
_NFD = icu.Normalizer2.getNFDInstance()

_RULE = (
    f"1 to {NAME_MAX} visible characters, with at most {MARKS_MAX} combining marks on one; joiners and "
    "variation selectors only where a word or an emoji needs them, and no white space but the plain space. "
    "Stored in NFC, without the spaces around it."
)
# The part of the rule that every engine of regular expressions reads: no control characters of ASCII, and not
# only spaces. It accepts more than the rule.
PATTERN = r"^ *[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"


def named(text: str) -> str:
    """Return `text` as a name: in NFC, without the spaces around it.

    Raises:
        Invalid: it breaks the rule for names; the sentence says which part.
    """
    try:
        return _checked(text)
    except ValueError as error:
        raise Invalid(f"The name {error}.") from None


def _checked(text: str) -> str:
    sent = storable(text).strip(" ")
    name = composed(sent)
    if blank(name):
        raise ValueError("must have a visible character")
    if max(len(sent), len(name)) > NAME_MAX:  # NFC makes most texts shorter, and some longer
        raise ValueError(f"must have at most {NAME_MAX} characters")
    if sign := _hidden(name):
        raise ValueError(
            f"must not contain U+{ord(sign):04X}: it is invisible or unassigned there; remove it"
        )
    if _MARKS_AMISS.matcher(_NFD.normalize(name)).find():
        raise ValueError(
            f"must have at most {MARKS_MAX} combining marks on a character, and none without one"
        )
    return name


def _hidden(name: str) -> str | None:
    """Return the first invisible or unassigned character that no word or emoji needs."""
    rest = str(_NEEDED.matcher(name).replaceAll(""))
    return next(filter(_REFUSED.contains, rest), None)


Name = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_MAX, "pattern": PATTERN}),
    Field(description=_RULE, examples=["quill"]),
]
