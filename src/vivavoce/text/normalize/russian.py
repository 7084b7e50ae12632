"""Russian: everything that is written with numbers, and abbreviations."""

from __future__ import annotations

import re

from vivavoce.text.normalize.rules import abbreviation, roman, rule
from vivavoce.text.normalize.russian_numbers import cardinal, fraction, ordinal, plural
from vivavoce.text.normalize.western import Grammar, Noun, nouns, western_rules

MONTHS = (
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря"
).split()
_YEARS = {
    "год": "m",
    "года": "genitive",
    "году": "prepositional",
    "годом": "genitive",
}
_BEFORE_NOMINATIVE = ("сегодня", "завтра", "вчера", "это", "дата:", "на")
_CASES = {
    "й": "m",
    "ый": "m",
    "ой": "m",
    "ий": "m",
    "я": "f",
    "ая": "f",
    "е": "n",
    "ое": "n",
    "го": "genitive",
    "ого": "genitive",
    "му": "dative",
    "м": "prepositional",
    "ом": "prepositional",
    "ю": "feminine accusative",
    "ую": "feminine accusative",
    "х": "plural genitive",
    "ых": "plural genitive",
}


def _agree(number: int, word: str) -> str:
    """Guess the gender of the noun that follows: nominative after 1, genitive after 2."""
    word = word.lower()
    if len(word) < 3 or plural(number) == 2:
        return ""
    if number % 10 == 1:
        if word.endswith(("у", "ю")):
            return "accusative"
        return "f" if word.endswith(("а", "я")) else "n" if word.endswith(("о", "е")) else ""
    return "f" if number % 10 == 2 and word.endswith(("ы", "и")) else ""


def _ordinal(match: re.Match[str]) -> str:
    number, ending = int(match[1]), match[2]
    if ending == "е" and number % 10 == 0 and number >= 10:
        return ordinal(number, "plural")  # 90-е годы
    return ordinal(number, _CASES[ending])


def _year(match: re.Match[str]) -> str:
    noun = match[2]
    if noun == "г.":
        inside = re.search(r"\b[Вв] $", match.string[: match.start()])
        noun = "году" if inside else "года"
    return f"{ordinal(int(match[1]), _YEARS[noun])} {noun}"


def _date(match: re.Match[str], day: int, month: int | str, when: int | None) -> str:
    name = MONTHS[month - 1] if isinstance(month, int) else month
    words = match.string[max(0, match.start() - 12) : match.start()].lower().split()
    case = "n" if words and words[-1] in _BEFORE_NOMINATIVE else "genitive"
    year = f" {ordinal(when, 'genitive')} года" if when is not None else ""
    return f"{ordinal(day, case)} {name}{year}"


def _time(hour: int, minute: int) -> str:
    hours = f"{cardinal(hour)} {('час', 'часа', 'часов')[plural(hour)]}"
    if not minute:
        return hours
    return f"{hours} {cardinal(minute, 'f')} {('минута', 'минуты', 'минут')[plural(minute)]}"


def _century(match: re.Match[str]) -> str:
    case = {"век": "m", "века": "genitive", "веке": "prepositional"}[match[2]]
    return f"{ordinal(roman(match[1]), case)} {match[2]}"


_NAMES = "|".join(MONTHS)
_RUBLE = Noun(("рубль", "рубля", "рублей"))
_KOPEK = Noun(("копейка", "копейки", "копеек"), "f")
_CENT = Noun(("цент", "цента", "центов"))
_GRAMMAR = Grammar(
    cardinal=cardinal,
    plural=plural,
    fraction_plural=1,
    agree=_agree,
    groups=(" ",),
    point="запятая",
    fraction=fraction,
    minus="минус",
    plus="плюс",
    to="—",
    over="дробь",
    and_="и",
    halves={
        (1, 2): "одна вторая",
        (1, 3): "одна третья",
        (2, 3): "две третьих",
        (1, 4): "одна четвёртая",
        (3, 4): "три четвёртых",
    },
    dot="точка",
    address="точка слэш собака дефис подчёркивание двоеточие вопросительный_знак равно и решётка "
    "плюс процент тильда",
    percent="процент/процента/процентов",
    per_mille="промилле",
    scales=nouns(
        {
            "тыс.": "f:тысяча/тысячи/тысяч",
            "млн": "миллион/миллиона/миллионов",
            "млрд": "миллиард/миллиарда/миллиардов",
            "трлн": "триллион/триллиона/триллионов",
        }
    ),
    currencies={
        "₽": (_RUBLE, _KOPEK),
        "руб.": (_RUBLE, _KOPEK),
        "руб": (_RUBLE, _KOPEK),
        "$": (Noun(("доллар", "доллара", "долларов")), _CENT),
        "€": (Noun(("евро",)), _CENT),
        "£": (Noun(("фунт", "фунта", "фунтов")), Noun(("пенс", "пенса", "пенсов"))),
        "¥": (Noun(("иена", "иены", "иен"), "f"), None),
    },
    cents_after=" ",
    units=nouns(
        {
            "мм": "миллиметр/миллиметра/миллиметров",
            "см": "сантиметр/сантиметра/сантиметров",
            "м": "метр/метра/метров",
            "км": "километр/километра/километров",
            "км/ч": "километр в час/километра в час/километров в час",
            "м/с": "метр в секунду/метра в секунду/метров в секунду",
            "м²": "квадратный метр/квадратных метра/квадратных метров",
            "кв. м": "квадратный метр/квадратных метра/квадратных метров",
            "км²": "квадратный километр/квадратных километра/квадратных километров",
            "м³": "кубический метр/кубических метра/кубических метров",
            "га": "гектар/гектара/гектаров",
            "мг": "миллиграмм/миллиграмма/миллиграммов",
            "г": "грамм/грамма/граммов",
            "кг": "килограмм/килограмма/килограммов",
            "т": "f:тонна/тонны/тонн",
            "мл": "миллилитр/миллилитра/миллилитров",
            "л": "литр/литра/литров",
            "°C": "градус Цельсия/градуса Цельсия/градусов Цельсия",
            "°": "градус/градуса/градусов",
            "сек.": "f:секунда/секунды/секунд",
            "мин": "f:минута/минуты/минут",
            "мин.": "f:минута/минуты/минут",
            "ч": "час/часа/часов",
            "кВт": "киловатт/киловатта/киловатт",
            "кВт·ч": "киловатт-час/киловатт-часа/киловатт-часов",
            "Гц": "герц/герца/герц",
            "МГц": "мегагерц/мегагерца/мегагерц",
            "ГГц": "гигагерц/гигагерца/гигагерц",
            "КБ": "килобайт/килобайта/килобайт",
            "МБ": "мегабайт/мегабайта/мегабайт",
            "ГБ": "гигабайт/гигабайта/гигабайт",
            "ТБ": "терабайт/терабайта/терабайт",
        }
    ),
    months=tuple(MONTHS),
    textual_date=rf"(?<![\w.,])(?P<d>\d{{1,2}}) (?P<m>{_NAMES})"
    r"(?: (?P<y>\d{4})(?: (?:года|г\.))?)?(?!\w)",
    date=_date,
    time=_time,
    time_pattern=r"(?<![\w:.,])(?P<h>\d{1,2}):(?P<min>[0-5]\d)(?![\w:]|[.,]\d)",
    before=(
        abbreviation(r"\bи т\. ?д\.", "и так далее"),
        abbreviation(r"\bи т\. ?п\.", "и тому подобное"),
        abbreviation(r"\bи др\.", "и другие"),
        rule(r"\bт\. ?е\.", "то есть"),
        rule(r"\bт\. ?к\.", "так как"),
        rule(r"\bнапр\.", "например"),
        rule(r"\b([Нн]а) ул\. ?", r"\1 улице "),
        rule(r"\bул\. ?", "улица "),
        rule(r"\bд\. ?(?=\d)", "дом "),
        rule(r"\bкв\. ?(?=\d)", "квартира "),
        rule(r"\bстр\. ?(?=\d)", "страница "),
        rule(r"№ ?(?=\d)", "номер "),
        rule(r"\b([IVXLC]+) (век[ае]?)(?!\w)", _century),
        rule(r"(?<![\w.,-])([12]\d{3}) (год(?:а|у|ом)?|г\.)(?!\w)", _year),
    ),
    ordinals=(
        rule(
            rf"(?<![\w.,])(\d{{1,4}})-({'|'.join(sorted(_CASES, key=len, reverse=True))})(?!\w)",
            _ordinal,
        ),
    ),
    symbols={"&": "и", "§": "параграф", "°": "градусов"},
)
RULES = western_rules(_GRAMMAR)
