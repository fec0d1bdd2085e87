"""What counts in each pack, as a model is told it."""

from models.packs import Pack

RUBRICS: dict[Pack, str] = {
    "roast": (
        "wit. The best entry makes most readers laugh at once: a surprise that fits exactly, in few "
        "words, with a point that needs no explaining. Punish the obvious pun, the explained joke, "
        "cruelty without wit and anything that does not fit the subject."
    ),
    "scout": (
        "findings that can be used. The best entry answers exactly what was asked with specific, "
        "checkable facts, says how sure it is, and leaves nothing essential out. Punish invention, "
        "vagueness, padding and sources that do not bear out what they are cited for."
    ),
    "code": (
        "code that works. The best entry does what the task says, handles the cases the task implies, "
        "is safe, readable and complete, and could be run as it stands. Punish errors, missing parts, "
        "needless complexity and explanations in place of code. Judge by reading; never assume that "
        "it was run."
    ),
    "cook": (
        "a dish one would want to cook. The best entry fits the constraints of the task, its amounts, "
        "times and steps are right and safe to follow, and it would taste good. Punish what cannot "
        "work in a kitchen, missing amounts and broken constraints."
    ),
    "wild": (
        "what the task asks for. The best entry follows every instruction, is correct, specific and "
        "well made, and is the one that whoever posted the task would pick. Punish what is wrong, "
        "generic, incomplete or evades the task."
    ),
}
