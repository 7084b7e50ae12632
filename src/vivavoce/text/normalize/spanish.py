"""Spanish: numbers in words, and everything that is written with them."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import abbreviation, roman, rule
from vivavoce.text.normalize.western import Grammar, Noun, by_two_digits, nouns, western_rules

_UNITS = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve"
).split()
_TENS = "- - - treinta cuarenta cincuenta sesenta setenta ochenta noventa".split()
_HUNDREDS = (
    "- ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
    "novecientos"
).split()
_ONE = {"": "uno", "m": "un", "f": "una"}
_ORDINALS = "- primero segundo tercero cuarto quinto sexto séptimo octavo noveno décimo".split()
_TENTHS = (
    "- décimo vigésimo trigésimo cuadragésimo quincuagésimo sexagésimo septuagésimo octogésimo "
    "nonagésimo"
).split()
MONTHS = (
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre"
).split()
_NO_NOUNS = frozenset(
    "y e o u a al de del en con por para que es son fue más menos hasta entre contra como si no "
    "se ya porque pero cuando hay está están era eran ha han sobre sin ante".split()
)


def cardinal(number: int, gender: str = "") -> str:
    """Return 21 as "veintiuno", before a noun "veintiún" or "veintiuna"."""
    if number >= 10**6:
        size, one, many = (
            (10**12, "billón", "billones") if number >= 10**12 else (10**6, "millón", "millones")
        )
        count, rest = divmod(number, size)
        words = f"un {one}" if count == 1 else f"{cardinal(count, 'm')} {many}"
        return f"{words} {cardinal(rest, gender)}" if rest else words
    if number >= 1000:
        count, rest = divmod(number, 1000)
        words = "mil" if count == 1 else f"{cardinal(count, 'f' if gender == 'f' else 'm')} mil"
        return f"{words} {cardinal(rest, gender)}" if rest else words
    if number >= 100:
        if number == 100:
            return "cien"
        hundreds, rest = divmod(number, 100)
        words = _HUNDREDS[hundreds]
        if gender == "f" and hundreds > 1:
            words = f"{words[:-2]}as"
        return f"{words} {cardinal(rest, gender)}" if rest else words
    if number == 21 and gender:
        return "veintiún" if gender == "m" else "veintiuna"
    if number < 30:
        return _ONE[gender] if number == 1 else _UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{_TENS[tens]} y {cardinal(unit, gender)}" if unit else _TENS[tens]


def ordinal(number: int, gender: str = "") -> str:
    """Return 3 as "tercero", before a masculine noun "tercer", before a feminine "tercera"."""
    if number > 99 or number == 0:
        return cardinal(number)
    tens, unit = divmod(number, 10)
    words = (
        _ORDINALS[number]
        if number <= 10
        else f"{_TENTHS[tens]} {_ORDINALS[unit]}".removesuffix(" -")
    )
    words = {11: "undécimo", 12: "duodécimo"}.get(number, words)
    if gender == "f":
        return " ".join(f"{word[:-1]}a" for word in words.split())
    if gender == "m" and unit in (1, 3) and number != 11:
        return words[:-1]
    return words


def _ordinal(match: re.Match[str]) -> str:
    goes_on = re.match(r" (?!(?:de|en|y|a|e|o|del|al)\b)[a-zà-ÿ]", match.string[match.end() :][:9])
    if match[2] == "º" and goes_on:  # before a noun: primer, tercer
        return ordinal(int(match[1]), "m")
    gender = {"ª": "f", "ra": "f", "da": "f", "er": "m"}.get(match[2], "")
    return ordinal(int(match[1]), gender)


def _agree(number: int, word: str) -> str:
    """Guess the gender of the noun that follows by its ending."""
    word = word.lower()
    if word in _NO_NOUNS:
        return ""
    feminine = word.endswith(("a", "as", "ción", "ciones", "dad", "dades"))
    return "f" if feminine and not word.endswith(("ma", "mas", "día", "días")) else "m"


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    name = MONTHS[month - 1] if isinstance(month, int) else month
    return f"{cardinal(day)} de {name}" + (f" de {cardinal(when)}" if when is not None else "")


def _time(hour: int, minute: int) -> str:
    hours = cardinal(hour, "f")
    return f"{hours} y {cardinal(minute)}" if minute else f"{hours} en punto"


def _century(match: re.Match[str]) -> str:
    return f"{match[1]} {cardinal(roman(match[2]))}"


_NAMES = "|".join(MONTHS)
_EURO, _CENT = Noun(("euro", "euros")), Noun(("céntimo", "céntimos"))
_GRAMMAR = Grammar(
    cardinal=cardinal,
    agree=_agree,
    point="coma",
    fraction=by_two_digits(cardinal, "coma"),
    minus="menos",
    plus="más",
    to="a",
    over="sobre",
    and_="y",
    halves={
        (1, 2): "un medio",
        (1, 3): "un tercio",
        (2, 3): "dos tercios",
        (1, 4): "un cuarto",
        (3, 4): "tres cuartos",
    },
    dot="punto",
    address="punto barra arroba guion guion_bajo dos_puntos signo_de_interrogación igual y "
    "almohadilla más por_ciento tilde",
    percent="por ciento",
    per_mille="por mil",
    scales=nouns(
        {"M": "millón/millones", "millón": "millón/millones", "millones": "millón/millones"}
    ),
    of_scale=lambda noun: f" de {noun}",
    currencies={
        "€": (_EURO, _CENT),
        "EUR": (_EURO, _CENT),
        "US$": (Noun(("dólar", "dólares")), Noun(("centavo", "centavos"))),
        "$": (Noun(("dólar", "dólares")), Noun(("centavo", "centavos"))),
        "£": (Noun(("libra", "libras"), "f"), Noun(("penique", "peniques"))),
        "¥": (Noun(("yen", "yenes")), None),
        "₽": (Noun(("rublo", "rublos")), Noun(("kopek", "kopeks"))),
    },
    cents_after=" con ",
    units=nouns(
        {
            "mm": "milímetro/milímetros",
            "cm": "centímetro/centímetros",
            "m": "metro/metros",
            "km": "kilómetro/kilómetros",
            "km/h": "kilómetro por hora/kilómetros por hora",
            "m/s": "metro por segundo/metros por segundo",
            "m²": "metro cuadrado/metros cuadrados",
            "km²": "kilómetro cuadrado/kilómetros cuadrados",
            "m³": "metro cúbico/metros cúbicos",
            "ha": "f:hectárea/hectáreas",
            "mg": "miligramo/miligramos",
            "g": "gramo/gramos",
            "kg": "kilogramo/kilogramos",
            "t": "f:tonelada/toneladas",
            "ml": "mililitro/mililitros",
            "l": "litro/litros",
            "L": "litro/litros",
            "°C": "grado Celsius/grados Celsius",
            "°": "grado/grados",
            "s": "segundo/segundos",
            "min": "minuto/minutos",
            "h": "f:hora/horas",
            "kW": "kilovatio/kilovatios",
            "kWh": "kilovatio hora/kilovatios hora",
            "Hz": "hercio/hercios",
            "MHz": "megahercio/megahercios",
            "GHz": "gigahercio/gigahercios",
            "KB": "kilobyte/kilobytes",
            "MB": "megabyte/megabytes",
            "GB": "gigabyte/gigabytes",
            "TB": "terabyte/terabytes",
        }
    ),
    months=tuple(MONTHS),
    textual_date=rf"(?<![\w.,])(?P<d>\d{{1,2}})º? de (?P<m>{_NAMES})"
    r"(?: del? (?P<y>\d{4}))?(?!\w)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2}):(?P<min>[0-5]\d)(?: h\b)?(?![\w:]|[.,]\d)",
    before=(
        rule(r"\bSrta\. ?", "señorita "),
        rule(r"\bSra\. ?", "señora "),
        rule(r"\bSr\. ?", "señor "),
        rule(r"\bDra\. ?", "doctora "),
        rule(r"\bDr\. ?", "doctor "),
        rule(r"\bUds\.", "ustedes"),
        rule(r"\bUd\.", "usted"),
        rule(r"\bp\. ?ej\.", "por ejemplo"),
        abbreviation(r"\betc\.", "etcétera"),
        abbreviation(r"\bEE\. ?UU\.", "Estados Unidos"),
        rule(r"\b(?:[nN]\.º|[nN]úm\.|[nN]º|№) ?(?=\d)", "número "),
        rule(r"\bpágs?\. ?(?=\d)", "página "),
        rule(r"\b(siglos?) ([IVXLC]+)\b", _century),
        abbreviation(r"\ba\. ?m\.", "de la mañana"),
        abbreviation(r"\bp\. ?m\.", "de la tarde"),
    ),
    ordinals=(rule(r"(?<![\w.,])(\d{1,2})\.?(ª|º|er|ro|ra|do|da)(?!\w)", _ordinal),),
    symbols={"&": "y", "§": "sección", "°": "grados"},
)
RULES = western_rules(_GRAMMAR)
