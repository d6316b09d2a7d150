"""Personal data: e-mail addresses, phone numbers and card numbers."""

from __future__ import annotations

import regex as re

from latentopt.filters import Filter, each

# Possessive and not begun within a word: a long text without an @ is read once.
EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]++@(?:[\w-]++\.)+[\w-]{2,}")
CARD = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1)."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def personal_data(region: str = "US") -> Filter:
    """Texts without an e-mail address, a phone number or a card number.

    Phone numbers are those that libphonenumber holds for valid; card numbers have 13 to 19 digits and a check digit.
    Names and addresses are not looked for.

    Args:
        region: the country (``US``, ``GB``, ``DE``) whose numbers are found without their ``+`` and country code too.
    """
    import phonenumbers

    region = str(region).upper()
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"the region should be a country's two letters, such as US or GB, got {region!r}")

    def clean(text: str) -> bool:
        if EMAIL.search(text) or any(luhn(re.sub("[ -]", "", found)) for found in CARD.findall(text)):
            return False
        return not phonenumbers.PhoneNumberMatcher(text, region).has_next()

    return each(clean)
