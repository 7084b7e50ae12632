"""Japanese: numbers in kanji, and everything that is written with them."""

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

_DIGITS = "零一二三四五六七八九"
_CURRENCIES = {
    "¥": "円",
    "￥": "円",
    "$": "ドル",
    "US$": "ドル",
    "€": "ユーロ",
    "£": "ポンド",
    "₩": "ウォン",
    "₽": "ルーブル",
}
_UNITS = {
    "km/h": "キロメートル毎時",
    "m/s": "メートル毎秒",
    "km²": "平方キロメートル",
    "m²": "平方メートル",
    "㎡": "平方メートル",
    "m³": "立方メートル",
    "km": "キロメートル",
    "cm": "センチメートル",
    "mm": "ミリメートル",
    "m": "メートル",
    "kg": "キログラム",
    "mg": "ミリグラム",
    "g": "グラム",
    "t": "トン",
    "ml": "ミリリットル",
    "mL": "ミリリットル",
    "L": "リットル",
    "l": "リットル",
    "kWh": "キロワット時",
    "kW": "キロワット",
    "GHz": "ギガヘルツ",
    "MHz": "メガヘルツ",
    "Hz": "ヘルツ",
    "GB": "ギガバイト",
    "MB": "メガバイト",
    "KB": "キロバイト",
    "TB": "テラバイト",
    "min": "分",
    "h": "時間",
    "s": "秒",
}


def cardinal(number: int) -> str:
    """Return 12345 as 一万二千三百四十五."""
    return by_myriads(number, _below_myriad, ("万", "億", "兆")) or "零"


def _below_myriad(number: int) -> str:
    return below_myriad(number, _DIGITS, "千百十")


_say = numbers(cardinal, " ".join(_DIGITS), "点")
_read = numbers(cardinal, "ゼロ " + " ".join(_DIGITS[1:]), "点")


def _sign(match: re.Match[str]) -> str:
    return "マイナス" if match["minus"] else ""


def _date(match: re.Match[str]) -> str:
    year, month, day = (int(part) for part in match.groups())
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match.group(0)
    return f"{cardinal(year)}年{cardinal(month)}月{cardinal(day)}日"


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > 24:
        return match.group(0)
    return f"{cardinal(hour)}時" + (f"{cardinal(minute)}分" if minute else "")


def _degrees(match: re.Match[str]) -> str:
    below = "マイナス" if match[1] else ""
    return f"{below}{_say(match[2])}度"


_MINUS = r"(?P<minus>(?<![A-Za-z\d)])[-−])?"
_SCALE = "(?P<scale>万|億|兆)?"
_RULES: tuple[Rule, ...] = (
    *address_rules(
        {
            ".": "ドット",
            "/": "スラッシュ",
            "@": "アットマーク",
            "-": "ハイフン",
            "_": "アンダーバー",
            ":": "コロン",
            "?": "クエスチョン",
            "=": "イコール",
            "&": "アンド",
            "#": "シャープ",
            "+": "プラス",
            "%": "パーセント",
        },
        lambda digits: _read.digits(digits),
    ),
    *telephone_rules(_read.digits, "プラス", "、"),
    (re.compile(r"(?<![\d.])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d.])"), _date),
    (re.compile(r"(?<![\d:])(\d{1,2}):([0-5]\d)(?::[0-5]\d)?(?![\d:])"), _time),
    (
        re.compile(rf"{_MINUS}(?P<sign>{either(_CURRENCIES)}) ?(?P<n>{NUMBER}){_SCALE}"),
        lambda m: f"{_sign(m)}{_say(m['n'])}{m['scale'] or ''}{_CURRENCIES[m['sign']]}",
    ),
    (
        re.compile(rf"{_MINUS}(?P<n>{NUMBER}){_SCALE} ?(?P<sign>{either(_CURRENCIES)})"),
        lambda m: f"{_sign(m)}{_say(m['n'])}{m['scale'] or ''}{_CURRENCIES[m['sign']]}",
    ),
    (
        re.compile(rf"(?<![\d.])({NUMBER}) ?%? ?[-–~～〜] ?({NUMBER}) ?%"),
        lambda m: f"{_say(m[1])}から{_say(m[2])}パーセント",
    ),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?%"), lambda m: f"{_sign(m)}{_say(m['n'])}パーセント"),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?‰"), lambda m: f"{_sign(m)}{_say(m['n'])}パーミル"),
    (re.compile(rf"((?<![A-Za-z\d)])[-−])?({NUMBER}) ?(?:°C|℃|°F|℉|°)"), _degrees),
    (
        re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?(?P<unit>{either(_UNITS)})(?![A-Za-z/²³])"),
        lambda m: f"{_sign(m)}{_say(m['n'])}{_UNITS[m['unit']]}",
    ),
    (re.compile(r"(?<![\d.:/])(\d+)/(\d+)(?![\d/])"), lambda m: f"{_say(m[2])}分の{_say(m[1])}"),
    (
        re.compile(f"([{''.join(VULGAR)}])"),
        lambda m: "{1}分の{0}".format(*(cardinal(n) for n in VULGAR[m[1]])),
    ),
    (re.compile(rf"(?<![\d.])({NUMBER})[-–~～〜]({NUMBER})(?![\d.-])"), r"\1から\2"),
    (re.compile(r"No\. ?(?=\d)|№ ?(?=\d)"), "ナンバー"),
    (re.compile(r"\d+(?:\.\d+){2,}"), lambda m: "点".join(_say(p) for p in m.group(0).split("."))),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER})"), lambda m: f"{_sign(m)}{_say(m['n'])}"),
)


def write_out(text: str) -> str:
    """Return the text without digits."""
    return apply(_RULES, half_width(text))
