"""Portuguese, as in Brazil: numbers in words, and everything that is written with them."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import abbreviation, roman, rule
from vivavoce.text.normalize.western import Grammar, Noun, by_two_digits, nouns, western_rules

_UNITS = (
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze "
    "dezesseis dezessete dezoito dezenove"
).split()
_TENS = "- - vinte trinta quarenta cinquenta sessenta setenta oitenta noventa".split()
_HUNDREDS = (
    "- cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos"
).split()
_SCALES = (
    (10**12, "trilhão", "trilhões"),
    (10**9, "bilhão", "bilhões"),
    (10**6, "milhão", "milhões"),
)
_ORDINALS = "- primeiro segundo terceiro quarto quinto sexto sétimo oitavo nono".split()
_TENTHS = (
    "- décimo vigésimo trigésimo quadragésimo quinquagésimo sexagésimo septuagésimo octogésimo "
    "nonagésimo"
).split()
MONTHS = (
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"
).split()
_NO_NOUNS = frozenset(
    "e ou a ao de do da em no na com por para que é são foi mais menos até entre contra como se "
    "não já porque mas quando há está estão era eram sobre sem".split()
)


def cardinal(number: int, gender: str = "") -> str:
    """Return 1234 as "mil duzentos e trinta e quatro"; 1, 2 and hundreds agree in gender."""
    for size, one, many in _SCALES:
        if number >= size:
            count, rest = divmod(number, size)
            return _and(f"{cardinal(count)} {one if count == 1 else many}", rest, gender)
    if number >= 1000:
        count, rest = divmod(number, 1000)
        return _and("mil" if count == 1 else f"{cardinal(count, gender)} mil", rest, gender)
    feminine = gender == "f"
    if number >= 100:
        if number == 100:
            return "cem"
        hundreds, rest = divmod(number, 100)
        words = _HUNDREDS[hundreds]
        words = f"{words[:-2]}as" if feminine and hundreds > 1 else words
        return f"{words} e {cardinal(rest, gender)}" if rest else words
    if number in (1, 2) and feminine:
        return ("uma", "duas")[number - 1]
    if number < 20:
        return _UNITS[number]
    tens, unit = divmod(number, 10)
    return f"{_TENS[tens]} e {cardinal(unit, gender)}" if unit else _TENS[tens]


def _and(words: str, rest: int, gender: str) -> str:
    """Add what is below: after an "e" where it is below a hundred, or hundreds alone."""
    if not rest:
        return words
    joined = rest < 100 or (rest < 1000 and rest % 100 == 0)
    return f"{words} {'e ' if joined else ''}{cardinal(rest, gender)}"


def ordinal(number: int, gender: str = "") -> str:
    """Return 21 as "vigésimo primeiro", feminine "vigésima primeira"."""
    if number > 99 or number == 0:
        return cardinal(number)
    tens, unit = divmod(number, 10)
    words = [_TENTHS[tens]] * (tens > 0) + [_ORDINALS[unit]] * (unit > 0)
    return " ".join(f"{word[:-1]}a" if gender == "f" else word for word in words)


def _agree(number: int, word: str) -> str:
    """Guess the gender of the noun that follows by its ending."""
    word = word.lower()
    if word in _NO_NOUNS:
        return ""
    feminine = word.endswith(("a", "as", "ção", "ções", "dade", "dades", "gem", "gens"))
    return "f" if feminine and not word.endswith(("ma", "mas", "dia", "dias")) else "m"


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    name = MONTHS[month - 1] if isinstance(month, int) else month
    first = "primeiro" if day == 1 else cardinal(day)
    return f"{first} de {name}" + (f" de {cardinal(when)}" if when is not None else "")


def _time(hour: int, minute: int) -> str:
    hours = cardinal(hour, "f")
    return (
        f"{hours} e {cardinal(minute)}" if minute else f"{hours} {'hora' if hour < 2 else 'horas'}"
    )


def _century(match: re.Match[str]) -> str:
    number = roman(match[2])
    return f"{match[1]} {ordinal(number) if number <= 10 else cardinal(number)}"


_NAMES = "|".join(MONTHS)
_REAL, _CENT = Noun(("real", "reais")), Noun(("centavo", "centavos"))
_EURO = Noun(("euro", "euros"))
_GRAMMAR = Grammar(
    cardinal=cardinal,
    agree=_agree,
    plural=lambda number: 0 if number < 2 else 1,
    point="vírgula",
    fraction=by_two_digits(cardinal, "vírgula"),
    minus="menos",
    plus="mais",
    to="a",
    over="sobre",
    and_="e",
    halves={
        (1, 2): "um meio",
        (1, 3): "um terço",
        (2, 3): "dois terços",
        (1, 4): "um quarto",
        (3, 4): "três quartos",
    },
    dot="ponto",
    address="ponto barra arroba hífen sublinhado dois_pontos ponto_de_interrogação igual e "
    "cerquilha mais por_cento til",
    percent="por cento",
    per_mille="por mil",
    scales=nouns(
        {
            "mi": "milhão/milhões",
            "milhão": "milhão/milhões",
            "milhões": "milhão/milhões",
            "bi": "bilhão/bilhões",
            "bilhão": "bilhão/bilhões",
            "bilhões": "bilhão/bilhões",
        }
    ),
    of_scale=lambda noun: f" de {noun}",
    currencies={
        "R$": (_REAL, _CENT),
        "US$": (Noun(("dólar", "dólares")), Noun(("centavo", "centavos"))),
        "$": (Noun(("dólar", "dólares")), Noun(("centavo", "centavos"))),
        "€": (_EURO, Noun(("cêntimo", "cêntimos"))),
        "EUR": (_EURO, Noun(("cêntimo", "cêntimos"))),
        "£": (Noun(("libra", "libras"), "f"), Noun(("pêni", "pence"))),
        "¥": (Noun(("iene", "ienes")), None),
        "₽": (Noun(("rublo", "rublos")), Noun(("copeque", "copeques"))),
    },
    cents_after=" e ",
    units=nouns(
        {
            "mm": "milímetro/milímetros",
            "cm": "centímetro/centímetros",
            "m": "metro/metros",
            "km": "quilômetro/quilômetros",
            "km/h": "quilômetro por hora/quilômetros por hora",
            "m/s": "metro por segundo/metros por segundo",
            "m²": "metro quadrado/metros quadrados",
            "km²": "quilômetro quadrado/quilômetros quadrados",
            "m³": "metro cúbico/metros cúbicos",
            "ha": "hectare/hectares",
            "mg": "miligrama/miligramas",
            "g": "grama/gramas",
            "kg": "quilograma/quilogramas",
            "t": "f:tonelada/toneladas",
            "ml": "mililitro/mililitros",
            "l": "litro/litros",
            "L": "litro/litros",
            "°C": "grau Celsius/graus Celsius",
            "°": "grau/graus",
            "s": "segundo/segundos",
            "min": "minuto/minutos",
            "h": "f:hora/horas",
            "kW": "quilowatt/quilowatts",
            "kWh": "quilowatt-hora/quilowatts-hora",
            "Hz": "hertz",
            "MHz": "mega-hertz",
            "GHz": "giga-hertz",
            "KB": "quilobyte/quilobytes",
            "MB": "megabyte/megabytes",
            "GB": "gigabyte/gigabytes",
            "TB": "terabyte/terabytes",
        }
    ),
    months=tuple(MONTHS),
    textual_date=rf"(?<![\w.,])(?P<d>\d{{1,2}})º? de (?P<m>{_NAMES})(?: de (?P<y>\d{{4}}))?(?!\w)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2})"
    r"(?:h(?P<min>[0-5]\d)?(?:min)?|:(?P<min2>[0-5]\d)(?: ?h\b)?)"
    r"(?![\w:]|[.,]\d)",
    before=(
        rule(r"\bSrta\. ?", "senhorita "),
        rule(r"\bSra\. ?", "senhora "),
        rule(r"\bSr\. ?", "senhor "),
        rule(r"\bDra\. ?", "doutora "),
        rule(r"\bDr\. ?", "doutor "),
        rule(r"\bProf\. ?", "professor "),
        rule(r"\bp\. ?ex\.", "por exemplo"),
        abbreviation(r"\betc\.", "et cetera"),
        rule(r"\bAv\. ?(?=[A-ZÀ-Þ])", "avenida "),
        rule(r"\b(?:[nN]\.º|[nN]º|№) ?(?=\d)", "número "),
        rule(r"\bpágs?\. ?(?=\d)", "página "),
        rule(r"\b(séculos?) ([IVXLC]+)\b", _century),
    ),
    ordinals=(
        rule(
            r"(?<![\w.,])(\d{1,2})\.?([ªº])(?!\w)",
            lambda m: ordinal(int(m[1]), "f" if m[2] == "ª" else ""),
        ),
    ),
    symbols={"&": "e", "§": "parágrafo", "°": "graus"},
)
RULES = western_rules(_GRAMMAR)
