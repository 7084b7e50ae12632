"""Korean: Sino-Korean numbers in Hangul, native ones for hours and before common counters."""

from __future__ import annotations

import re

from vivavoce.text.normalize.east_asian import (
    NUMBER,
    address_rules,
    below_myriad,
    by_myriads,
    half_width,
    numbers,
    telephone_rules,
)
from vivavoce.text.normalize.rules import VULGAR, Rule, apply, either

_DIGITS = "영 일 이 삼 사 오 육 칠 팔 구"
_SINO = _DIGITS.split()
_NATIVE = "- 한 두 세 네 다섯 여섯 일곱 여덟 아홉".split()
_NATIVE_TENS = "- 열 스물 서른 마흔 쉰 예순 일흔 여든 아흔".split()
_COUNTERS = (
    "시간 시 개 명 사람 살 마리 권 대 잔 병 장 송이 그루 켤레 벌 채 척 자루 번째 번 가지 달 군데"
).split()
_CURRENCIES = {
    "₩": "원",
    "$": "달러",
    "US$": "달러",
    "€": "유로",
    "£": "파운드",
    "¥": "엔",
    "₽": "루블",
}
_UNITS = {
    "km/h": "킬로미터 퍼 아워",
    "m/s": "미터 퍼 세컨드",
    "km²": "제곱킬로미터",
    "m²": "제곱미터",
    "㎡": "제곱미터",
    "m³": "세제곱미터",
    "km": "킬로미터",
    "cm": "센티미터",
    "mm": "밀리미터",
    "m": "미터",
    "kg": "킬로그램",
    "mg": "밀리그램",
    "g": "그램",
    "t": "톤",
    "ml": "밀리리터",
    "mL": "밀리리터",
    "L": "리터",
    "l": "리터",
    "kWh": "킬로와트시",
    "kW": "킬로와트",
    "GHz": "기가헤르츠",
    "MHz": "메가헤르츠",
    "Hz": "헤르츠",
    "GB": "기가바이트",
    "MB": "메가바이트",
    "KB": "킬로바이트",
    "TB": "테라바이트",
    "min": "분",
    "h": "시간",
    "s": "초",
}


def cardinal(number: int) -> str:
    """Return 12345 as "만 이천삼백사십오"."""
    words = by_myriads(number, _below_myriad, ("만", "억", "조"), " ") or "영"
    return re.sub(r"^일만(?= |$)", "만", words)


def _below_myriad(number: int) -> str:
    return below_myriad(number, _SINO, "천백십")


def native(number: int) -> str:
    """Return 1 to 99 as they stand before a counter: 21 is "스물한"; 20 alone is "스무"."""
    tens, unit = divmod(number, 10)
    if number == 20:
        return "스무"
    return (_NATIVE_TENS[tens] if tens else "") + (_NATIVE[unit] if unit else "")


_say = numbers(cardinal, _DIGITS, "점", " ")
_telephone = numbers(cardinal, "공 일 이 삼 사 오 육 칠 팔 구", "점", " ")


def _sign(match: re.Match[str]) -> str:
    return "마이너스 " if match["minus"] else ""


def _counted(match: re.Match[str]) -> str:
    number, counter = int(match[1]), match[2]
    if counter == "번째" and number == 1:
        return "첫 번째"
    if not 1 <= number <= 99 or (counter == "시" and number > 12):
        return f"{cardinal(number)} {counter}"
    return f"{native(number)} {counter}"


def _date(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match.group(0)
    return f"{cardinal(year)}년 {_month(month)}월 {cardinal(day)}일"


def _month(number: int) -> str:
    return {6: "유", 10: "시"}.get(number) or cardinal(number)


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > 24:
        return match.group(0)
    hours = native(hour) if 1 <= hour <= 12 else cardinal(hour)
    return f"{hours} 시" + (f" {cardinal(minute)} 분" if minute else "")


def _unit(match: re.Match[str]) -> str:
    return f"{_sign(match)}{_say(match['n'])} {_UNITS[match['unit']]}"


_MINUS = r"(?P<minus>(?<![A-Za-z\d)])[-−])?"
_SCALE = "(?P<scale>천만|백만|만|억|조)?"


def _money(match: re.Match[str]) -> str:
    scale = f" {match['scale']}" if match["scale"] else ""
    return f"{_sign(match)}{_say(match['n'])}{scale} {_CURRENCIES[match['sign']]}"


_RULES: tuple[Rule, ...] = (
    *address_rules(
        {
            ".": "점",
            "/": "슬래시",
            "@": "골뱅이",
            "-": "하이픈",
            "_": "밑줄",
            ":": "콜론",
            "?": "물음표",
            "=": "이퀄",
            "&": "앤드",
            "#": "샵",
            "+": "플러스",
            "%": "퍼센트",
        },
        _telephone.digits,
    ),
    *telephone_rules(_telephone.digits, "플러스 ", ", "),
    (re.compile(r"(?<![\d.])(\d{4})[-/.] ?(\d{1,2})[-/.] ?(\d{1,2})\.?(?!\d)"), _date),
    (re.compile(r"(?<!\d)(\d{1,2})월"), lambda m: f"{_month(int(m[1]))}월"),
    (re.compile(r"(?<![\d:])(\d{1,2}):([0-5]\d)(?::[0-5]\d)?(?![\d:])"), _time),
    (re.compile(rf"{_MINUS}(?P<sign>{either(_CURRENCIES)}) ?(?P<n>{NUMBER}){_SCALE}"), _money),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}){_SCALE} ?(?P<sign>{either(_CURRENCIES)})"), _money),
    (
        re.compile(rf"(?<![\d.])({NUMBER}) ?%? ?[-–~] ?({NUMBER}) ?%"),
        lambda m: f"{_say(m[1])}에서 {_say(m[2])} 퍼센트",
    ),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?%"), lambda m: f"{_sign(m)}{_say(m['n'])} 퍼센트"),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?‰"), lambda m: f"{_sign(m)}{_say(m['n'])} 퍼밀"),
    (
        re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?(?:°C|℃|°F|℉|°)"),
        lambda m: f"{'영하 ' if m['minus'] else ''}{_say(m['n'])} 도",
    ),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?(?P<unit>{either(_UNITS)})(?![A-Za-z/²³])"), _unit),
    (re.compile(rf"(?<![\d.,])(\d{{1,3}}) ?({either(_COUNTERS)})(?!월)"), _counted),
    (re.compile(r"(?<![\d.:/])(\d+)/(\d+)(?![\d/])"), lambda m: f"{_say(m[2])}분의 {_say(m[1])}"),
    (
        re.compile(f"([{''.join(VULGAR)}])"),
        lambda m: "{1}분의 {0}".format(*(cardinal(n) for n in VULGAR[m[1]])),
    ),
    (re.compile(rf"(?<![\d.])({NUMBER})[-–~]({NUMBER})(?![\d.-])"), r"\1에서 \2"),
    (
        re.compile(r"\d+(?:\.\d+){2,}"),
        lambda m: " 점 ".join(_say(p) for p in m.group(0).split(".")),
    ),
    (
        re.compile(rf"{_MINUS}(?P<n>{NUMBER})(?= ?[원년월일분초층호도])"),
        lambda m: f"{_sign(m)}{_say(m['n'])}",
    ),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER})"), lambda m: f"{_sign(m)}{_say(m['n'])}"),
)


def write_out(text: str) -> str:
    """Return the text without digits."""
    return apply(_RULES, half_width(text))
