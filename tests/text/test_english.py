"""What the embedded voice would misread is written out; what it reads well is left alone."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.text.clean import clean
from vivavoce.text.normalize import NORMALIZERS
from vivavoce.text.normalize.english import normalize_english

WRITTEN_OUT = {
    # Money
    "It costs $5.": "It costs 5 dollars.",
    "$1": "1 dollar",
    "$1.00": "1 dollar",
    "$1.01": "1 dollar and 1 cent",
    "$2.50": "2 dollars and 50 cents",
    "$2.5": "2 dollars and 50 cents",
    "$0.99": "99 cents",
    "$.99 each": "99 cents each",
    "$0.01": "1 cent",
    "$0": "0 dollars",
    "$1,234.56": "1,234 dollars and 56 cents",
    "$3.999 a gallon": "3.999 dollars a gallon",
    "£3.20": "3 pounds and 20 pence",
    "£0.01": "1 penny",
    "€1": "1 euro",
    "€20, please": "20 euros, please",
    "¥500": "500 yen",
    "₹1,00,000": "1,00,000 rupees",
    "Rs. 500": "500 rupees",
    "₩9,900": "9,900 won",
    "20 €": "20 euros",
    "19,99 €": "19 euros and 99 cents",
    "€1.250,50": "1250 euros and 50 cents",
    "5£": "5 pounds",
    "99¢": "99 cents",
    "-$5": "minus 5 dollars",
    "−$5": "minus 5 dollars",
    "$-5": "minus 5 dollars",
    "(-£1.20)": "(minus 1 pound and 20 pence)",
    "US$5": "5 US dollars",
    "A$1": "1 Australian dollar",
    "CA$20": "20 Canadian dollars",
    "HK$8 million": "8 million Hong Kong dollars",
    "R$5": "R 5 dollars",
    "$1.5M": "1.5 million dollars",
    "$1.5 Million": "1.5 million dollars",
    "£2bn": "2 billion pounds",
    "$10k": "10 thousand dollars",
    "€3 trillion": "3 trillion euros",
    "10k€": "10 thousand euros",
    "$5-10": "5 to 10 dollars",
    "$5 – $10": "5 to 10 dollars",
    "$5-10 million": "5 to 10 million dollars",
    "$100k-$200k": "100 thousand to 200 thousand dollars",
    "$100,000-$120,000": "100,000 to 120,000 dollars",
    "$1.50-$2": "1 dollar and 50 cents to 2 dollars",
    "a $5 bill": "a 5 dollar bill",
    "A $3 million deal": "A 3 million dollar deal",
    "a $1-million deal": "a 1 million dollar deal",
    "an $8.50 ticket": "an 8 dollar and 50 cent ticket",
    "£5 M&S voucher": "5 pounds M&S voucher",
    "$5/month or $50/yr.": "5 dollars per month or 50 dollars per year.",
    "paid$5each": "paid 5 dollars each",
    # Percent
    "5%": "5 percent",
    "5.5 %.": "5.5 percent.",
    "-3%": "-3 percent",
    "10-20%": "10 to 20 percent",
    "10% – 20%": "10 to 20 percent",
    "50%off": "50 percent off",
    "0.5‰": "0.5 per mille",
    # Numbers that are read digit by digit
    "555-123-4567": "five five five, one two three, four five six seven",
    "(555) 123-4567": "five five five, one two three, four five six seven",
    "555 123 4567": "five five five, one two three, four five six seven",
    "555.123.4567": "five five five, one two three, four five six seven",
    "1-800-555-0199": "one, eight zero zero, five five five, zero one nine nine",
    "+1 (555) 010-9999": "plus one, five five five, zero one zero, nine nine nine nine",
    "+44 20 7946 0958": "plus four four, two zero, seven nine four six, zero nine five eight",
    "020 7946 0958": "zero two zero, seven nine four six, zero nine five eight",
    "078-05-1120": "zero seven eight, zero five, one one two zero",
    "4111 1111 2222 3333": (
        "four one one one, one one one one, two two two two, three three three three"
    ),
    "Agent 007": "Agent zero zero seven",
    "zip code 02134": "zip code zero two one three four",
    # Addresses
    "https://example.com": "example dot com",
    "HTTP://WWW.Example.com/": "Example dot com",
    "(see https://example.com/a_b?x=1&y=2#z).": (
        "(see example dot com slash a underscore b question mark x equals 1 and y equals 2 hash z)."
    ),
    "<https://example.com>": "example dot com",
    "Is it on GitHub.com?": "Is it on GitHub dot com?",
    "Go to example.com/path, then stop.": "Go to example dot com slash path, then stop.",
    "http://localhost:8000": "localhost colon 8000",
    "bob@example.com": "bob at example dot com",
    "<mailto:bob.smith+tag@example.co.uk>.": ("bob dot smith plus tag at example dot co dot uk."),
    # Versions and IP addresses
    "v2": "version 2",
    "v1.2.3": "version 1 point 2 point 3",
    "Version v2.0.1.": "version 2 point 0 point 1.",
    "Python 3.11.7": "Python 3 point 11 point 7",
    "Python 3.10": "Python 3 point 1 0",
    "a rating of 5.0": "a rating of 5 point 0",
    "192.168.1.1": "192 dot 168 dot 1 dot 1",
    "version 10.0.0.1": "version 10 point 0 point 0 point 1",
    # Markdown
    "[the docs](https://example.com)": "the docs",
    '[the docs](https://example.com "Title")': "the docs",
    "[Foo](https://en.wikipedia.org/wiki/Foo_(bar)).": "Foo.",
    "![a cat](cat.png)": "a cat",
    "[read](/ɹˈɛd/) it": "read it",
    "this is *very* good": "this is very good",
    "this is **very** good": "this is very good",
    "***all*** of `it`": "all of it",
    "~~old~~ new": "old new",
    "## Heading": "Heading",
    "> quoted": "quoted",
    "- milk\n* eggs\n• flour": "milk\neggs\nflour",
    "1. Mix.\n2) Bake.": "1: Mix.\n2: Bake.",
    "above\n\n---\n\nbelow": "above\n\n \n\nbelow",
    # Symbols, Greek, fractions, powers
    "α particles and Δt": "alpha particles and delta t",
    "2π": "2 pi",
    "x ≈ 5": "x about 5",
    "x ≤ 5 ± 2": "x at most 5 plus or minus 2",
    "3×4 ÷ 2": "3 times 4 divided by 2",
    "2*3 and a * b": "2 times 3 and a times b",
    "A → B": "A to B",
    "−7 and 5 − 2": "-7 and 5 minus 2",
    "√2": "square root of 2",
    "x² + y³": "x squared + y cubed",
    "10⁶ and 10⁻³": "10 to the power of 6 and 10 to the power of minus 3",
    "20 m²": "20 square meters",
    "3 cm³": "3 cubic centimeters",
    "5 µm and 50μg": "5 micrometers and 50 micrograms",
    "½ cup": "1/2 cup",
    "1½ or 2 ¾": "1 and 1/2 or 2 and 3/4",
    "§ 5 and № 7": "section 5 and number 7",
    "~50 people": "about 50 people",
    "1920x1080": "1920 by 1080",
    "7 x 8": "7 times 8",
    "C++ and C#": "C plus plus and C sharp",
    "24/7": "twenty-four seven",
    "CO2 and H₂O": "C O 2 and H 2 O",
    "6'2\" tall": "6 foot 2 tall",
    # Abbreviations
    "pets, e.g., cats": "pets, for example cats",
    "E.g. cats": "For example cats",
    "i.e. dogs": "that is dogs",
    "No. 5 in Vol. 2": "number 5 in volume 2",
    "On Jan. 5": "On January 5",
    "approx. 12 of them": "approximately 12 of them",
    "Roe v. Wade": "Roe versus Wade",
    "I said no.": "I said no .",
    "the Sun.": "the Sun .",
    # Times
    "9am-5pm": "9 AM to 5pm",
    "10:30–11:30": "10:30 to 11:30",
    "at 7.30 pm": "at 7:30 pm",
    "10 a.m. Monday, 5 p.m. EST": "10 AM Monday, 5 pm EST",
    # Letters from elsewhere
    "Ｐａｙ ＄５！": "Pay 5 dollars!",
    "𝐛𝐨𝐥𝐝 ﬁnish": "bold finish",
    "Nguyễn": "Nguyen",
    "① and Ⅳ": "1 and IV",
    "٣": "3",
    # Dashes
    "well -- yes": "well — yes",
    "Yes - or no": "Yes — or no",
}

UNCHANGED = [
    "It was the best of times, it was the worst of times.",
    "“Don’t,” she said; “it’s hers (or his) – isn’t it?”",
    "On March 1, 2024 we met. It was 2024-03-01, or 03/01/2024, or 01-03-2024.",
    "At 7:30 pm, 19:45, 5 p.m. in London and 12:00.",
    "3.14 and -2.75 and 1,234,567.89",
    "10-20",
    "pages 10–20",
    "from 1990 to 2005, in the 1990s",
    "a well-known, state-of-the-art method",
    "café, résumé, naïve, Dvořák, Łódź",
    "1st, 2nd, 3rd and 21st",
    "5 km, 60 mph and 20°C",
    "1/2 or 3/4",
    "Dr. Smith and Mrs. Jones of the U.S. Army",
    "AT&T and R&D",
    "snake_case and kebab-case",
    "Wait... what?! No!",
    "He paid 5 dollars for 2 books.",
    "My $HOME is my castle.",
    "Let me be. It is so.",
    "[sic] (really)",
    "Call 911.",
    "the year 2020",
    "100 meters in 9.58 seconds",
    "no problem, and no, thanks",
    "Καλημέρα",
]

# Text rich in what the rules look for.
PIECES = st.sampled_from(
    [
        *"$€£¥₹₩%‰+-−–—.,:;!?()[]<>*`~_#/\\@&=|'\"°½²⁶µμαΔ①Ⅳễ𝐛５٣⑴ \n0123456789aAkmMbBvx",
        *("http://", "www.", ".com", "e.g.", "i.e.", "no.", "No. 5", " am", "5'", "12:30", "C++"),
        "](/",
    ]
)
TANGLED = st.lists(PIECES, max_size=40).map("".join)
ANY_TEXT = st.text(max_size=80) | TANGLED
AMOUNTS = st.from_regex(
    r"[-−]?(US|A|CA)?[$€£¥₹₩](0|[1-9]\d{0,2}(,\d{3}){0,2}|\d{1,7})?(?<=[\d$€£¥₹₩])(\.\d{1,3})?"
    r"( ?(thousand|million|billion|bn)|[kKmMB])?",
    fullmatch=True,
).filter(lambda amount: re.search(r"[$€£¥₹₩]\.?\d", amount))


@pytest.mark.parametrize(("written", "read"), WRITTEN_OUT.items())
def test_reads(written: str, read: str) -> None:
    assert normalize_english(written) == read


@pytest.mark.parametrize("written", WRITTEN_OUT)
def test_what_is_written_out_stays(written: str) -> None:
    read = normalize_english(written)
    assert normalize_english(read) == read


@pytest.mark.parametrize("text", UNCHANGED)
def test_leaves_alone(text: str) -> None:
    assert normalize_english(text) == text


def test_english_is_registered() -> None:
    assert NORMALIZERS["en"]("$5") == "5 dollars"


@settings(deadline=None)
@given(ANY_TEXT)
def test_any_text_can_be_read(text: str) -> None:
    read = normalize_english(clean(text))
    assert "  " not in read
    assert read == read.strip()


@settings(deadline=None)
@given(AMOUNTS, st.sampled_from(["", "It costs ", "(", "“", "about "]))
def test_no_amount_keeps_its_sign(amount: str, before: str) -> None:
    read = normalize_english(f"{before}{amount}, he said.")
    assert not re.search("[$€£¥₹₩−]", read)
    assert read.endswith(", he said.")
    assert read.startswith(before)


@settings(deadline=None)
@given(st.integers(1, 10**9), st.integers(0, 99))
def test_amounts_keep_their_numbers(whole: int, cents: int) -> None:
    for amount in (f"${whole}.{cents:02}", f"${whole:,}.{cents:02}", f"{whole}.{cents:02}€"):
        numbers = [
            int(n.replace(",", "")) for n in re.findall(r"[\d,]+", normalize_english(amount))
        ]
        assert numbers == [whole, cents][: 1 + bool(cents)]


@settings(deadline=None)
@given(st.from_regex(r"\d{3}", fullmatch=True), st.from_regex(r"\d{4}", fullmatch=True))
def test_telephone_numbers_keep_every_digit(three: str, four: str) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    expected = [names[int(d)] for d in f"{three}{three}{four}"]
    for written in (
        f"{three}-{three}-{four}",
        f"({three}) {three}-{four}",
        f"{three} {three} {four}",
    ):
        assert re.findall(r"\w+", normalize_english(f"Call {written}."))[1:] == expected


@settings(deadline=None)
@given(
    st.sampled_from(["http://", "https://", "ftp://", "HTTPS://"]),
    st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){1,3}(/[\w.?=&#%~+:-]{0,20}){0,3}", fullmatch=True),
)
def test_no_address_keeps_its_scheme(scheme: str, rest: str) -> None:
    read = normalize_english(f"See {scheme}{rest} for more.")
    assert "://" not in read
    assert "http" not in read.lower()
    assert read.endswith("for more.")


@settings(deadline=None)
@given(st.lists(TANGLED.map(lambda text: text.replace("\n", "")), min_size=1, max_size=4))
def test_lines_are_read_one_by_one(lines: list[str]) -> None:
    framed = ["first", *lines, "last"]
    together = normalize_english("\n".join(framed)).split("\n")
    assert [line.strip() for line in together] == [normalize_english(line) for line in framed]


@settings(deadline=None)
@given(TANGLED)
def test_the_voice_is_never_handed_its_own_syntax(text: str) -> None:
    assert "](" not in normalize_english(text)


HOSTILE = [
    "a",
    "1",
    " ",
    "\n",
    "-",
    "$1,",
    "1-",
    "1.",
    "a.",
    "a@",
    "<a@",
    "[](",
    "[x](()",
    "+111111",
    "1 ",
]


def test_no_text_takes_time_out_of_proportion() -> None:
    # About a second each for these lengths. Whatever is quadratic takes minutes.
    code = (
        "import sys; from vivavoce.text.clean import clean;"
        "from vivavoce.text.normalize.english import normalize_english;"
        "from vivavoce.text.segment import segment;"
        "units = eval(sys.stdin.read());"
        "texts = ['[$1' + unit * (100_000 // len(unit)) + '!' for unit in units];"
        "[segment(normalize_english(clean(text)), 'en', 240, 100) for text in texts]"
    )
    subprocess.run(
        [sys.executable, "-c", code], input=repr(HOSTILE), text=True, check=True, timeout=60
    )
