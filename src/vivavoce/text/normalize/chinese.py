"""Chinese: numbers in characters, and everything that is written with them."""

from __future__ import annotations

import re

from vivavoce.text.normalize.east_asian import (
    NUMBER,
    address_rules,
    half_width,
    numbers,
    telephone_rules,
)
from vivavoce.text.normalize.rules import VULGAR, Rule, apply, either

_DIGITS = "零一二三四五六七八九"
_SIZES = ("", "万", "亿", "万亿")
_MEASURES = (
    "个 位 名 只 条 张 本 件 块 杯 瓶 岁 天 年 周 小时 分钟 秒 次 元 美元 欧元 英镑 公里 米 公斤 "
    "千克 克 斤 吨 升 毫升 倍 家 辆 座 项 种 句 口 头 匹 双 套 台 人 点"
).split()
_CURRENCIES = {
    "¥": "元",
    "￥": "元",
    "$": "美元",
    "US$": "美元",
    "€": "欧元",
    "£": "英镑",
    "₽": "卢布",
    "₩": "韩元",
}
_UNITS = {
    "km/h": "公里每小时",
    "m/s": "米每秒",
    "km²": "平方公里",
    "m²": "平方米",
    "㎡": "平方米",
    "m³": "立方米",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "m": "米",
    "kg": "公斤",
    "mg": "毫克",
    "g": "克",
    "t": "吨",
    "ml": "毫升",
    "mL": "毫升",
    "L": "升",
    "l": "升",
    "kWh": "千瓦时",
    "kW": "千瓦",
    "GHz": "吉赫兹",
    "MHz": "兆赫兹",
    "Hz": "赫兹",
    "GB": "吉字节",
    "MB": "兆字节",
    "KB": "千字节",
    "TB": "太字节",
    "min": "分钟",
    "h": "小时",
    "s": "秒",
}


def cardinal(number: int) -> str:
    """Return 10203 as 一万零二百零三; 2 is 两 before 千, 万 and 亿."""
    if number == 0:
        return "零"
    words, size = "", 0
    gap = False
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    for size in range(len(groups) - 1, -1, -1):
        group = groups[size]
        if not group:
            gap = bool(words)
            continue
        if words and (gap or group < 1000):
            words += "零"
        part = _below_myriad(group)
        if size and group == 2:
            part = "两"
        words += part + _SIZES[size]
        gap = False
    return words[1:] if words.startswith("一十") else words


def _below_myriad(number: int) -> str:
    words, gap = "", False
    for size, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, size)
        if digit:
            words += "零" * gap + ("两" if digit == 2 and size == 1000 else _DIGITS[digit]) + name
            gap = False
        elif words and number:
            gap = True
    return words


_say = numbers(cardinal, " ".join(_DIGITS), "点")


def _telephone(written: str) -> str:
    return _say.digits(written).replace("一", "幺")


def _counted(written: str) -> str:
    """Say a number before a measure word."""
    return "两" if written == "2" else _say(written)


def _sign(match: re.Match[str]) -> str:
    return "负" if match["minus"] else ""


def _date(match: re.Match[str]) -> str:
    year, month, day = match[1], int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return match.group(0)
    return f"{_say.digits(year)}年{cardinal(month)}月{cardinal(day)}日"


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if hour > 24:
        return match.group(0)
    hours = "两" if hour == 2 else cardinal(hour)
    if minute == 0:
        return f"{hours}点整"
    return f"{hours}点{'零' if minute < 10 else ''}{cardinal(minute)}分"


def _degrees(match: re.Match[str]) -> str:
    unit = "华氏度" if match[3] in ("°F", "℉") else "摄氏度" if match[3] != "°" else "度"
    below = "零下" if match[1] and unit == "摄氏度" else "负" if match[1] else ""
    return f"{below}{_say(match[2])}{unit}"


def _money(match: re.Match[str]) -> str:
    scale = match["scale"] or ""
    return f"{_sign(match)}{_counted(match['n'])}{scale}{_CURRENCIES[match['sign']]}"


_MINUS = r"(?P<minus>(?<![A-Za-z\d)])[-−])?"
_RULES: tuple[Rule, ...] = (
    *address_rules(
        {
            ".": "点",
            "/": "斜杠",
            "@": "艾特",
            "-": "杠",
            "_": "下划线",
            ":": "冒号",
            "?": "问号",
            "=": "等于",
            "&": "和",
            "#": "井号",
            "+": "加",
            "%": "百分号",
        },
        _say.digits,
    ),
    (re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)"), lambda m: _telephone(m.group(0))),
    *telephone_rules(_telephone, "加", "，"),
    (re.compile(r"(?<![\d.])(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d.])"), _date),
    (re.compile(r"(?<!\d)(\d{4})(?= ?年(?!间))"), lambda m: _say.digits(m[1])),
    (re.compile(r"(?<!\d)(\d{2})(?=年代)"), lambda m: cardinal(int(m[1]))),
    (re.compile(r"(?<!\d)(\d{1,2})(?= ?[月日号])"), lambda m: cardinal(int(m[1]))),
    (re.compile(r"第 ?(\d{1,9})"), lambda m: f"第{cardinal(int(m[1]))}"),
    (re.compile(r"(?<![\d:])(\d{1,2}):([0-5]\d)(?::[0-5]\d)?(?![\d:])"), _time),
    (
        re.compile(
            rf"{_MINUS}(?P<sign>{either(_CURRENCIES)}) ?(?P<n>{NUMBER})(?P<scale>万亿|亿|万)?"
        ),
        _money,
    ),
    (
        re.compile(
            rf"{_MINUS}(?P<n>{NUMBER})(?P<scale>万亿|亿|万)? ?(?P<sign>{either(_CURRENCIES)})"
        ),
        _money,
    ),
    (
        re.compile(rf"(?<![\d.])({NUMBER}) ?%? ?[-–~～至] ?({NUMBER}) ?%"),
        lambda m: f"百分之{_say(m[1])}到百分之{_say(m[2])}",
    ),
    (
        re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?%"),
        lambda m: f"{_sign(m)}百分之{_say(m['n'])}",
    ),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?‰"), lambda m: f"{_sign(m)}千分之{_say(m['n'])}"),
    (re.compile(rf"((?<![A-Za-z\d)])[-−])?({NUMBER}) ?(°C|℃|°F|℉|°)"), _degrees),
    (
        re.compile(rf"{_MINUS}(?P<n>{NUMBER}) ?(?P<unit>{either(_UNITS)})(?![A-Za-z/²³])"),
        lambda m: f"{_sign(m)}{_counted(m['n'])}{_UNITS[m['unit']]}",
    ),
    (re.compile(r"(?<![\d.:/])(\d+)/(\d+)(?![\d/])"), lambda m: f"{_say(m[2])}分之{_say(m[1])}"),
    (
        re.compile(f"([{''.join(VULGAR)}])"),
        lambda m: "{1}分之{0}".format(*(cardinal(n) for n in VULGAR[m[1]])),
    ),
    (re.compile(rf"(?<![\d.])({NUMBER})[-–~～]({NUMBER})(?![\d.-])"), r"\1到\2"),
    (re.compile(r"\d+(?:\.\d+){2,}"), lambda m: "点".join(_say(p) for p in m.group(0).split("."))),
    (
        re.compile(rf"(?<![\d.])2(?= ?(?:{either((*_MEASURES, '千', '万', '亿'))}))"),
        "两",
    ),
    (re.compile(rf"{_MINUS}(?P<n>{NUMBER})"), lambda m: f"{_sign(m)}{_say(m['n'])}"),
)


def write_out(text: str) -> str:
    """Return the text without digits."""
    return apply(_RULES, half_width(text))
