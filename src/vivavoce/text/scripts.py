"""Texts to hear a voice by: a greeting, and a passage with questions, numbers and long vowels.

Written for this project. A described voice says both once; what is kept of it is that.
"""

from __future__ import annotations

_SCRIPTS: dict[str, tuple[str, str]] = {
    "en": (
        "Good morning! I am glad that you are here.",
        "On my way I crossed the old stone bridge, and the river below was full of light. "
        "Two children asked me where the wind goes at night. What would you have answered?",
    ),
    "zh": (
        "早上好！很高兴见到你。",
        "来的路上，我走过一座古老的石桥，河面上闪着阳光。"
        "有两个孩子问我，夜里的风会去哪里？换作是你，你会怎么回答呢？",
    ),
    "ja": (
        "おはようございます。お会いできてうれしいです。",
        "ここへ来る途中、古い石の橋を渡りました。川は朝の光できらきらしていました。"
        "二人の子どもが、夜の風はどこへ行くのと聞きました。あなたなら、何と答えますか。",
    ),
    "ko": (
        "좋은 아침이에요! 만나서 반갑습니다.",
        "오는 길에 오래된 돌다리를 건넜는데, 강물이 햇빛으로 반짝였어요. "
        "두 아이가 밤이 되면 바람은 어디로 가느냐고 물었죠. 당신이라면 뭐라고 대답했을까요?",
    ),
    "de": (
        "Guten Morgen! Ich freue mich, dass du da bist.",
        "Auf dem Weg hierher ging ich über die alte Steinbrücke, und der Fluss war voller Licht. "
        "Zwei Kinder fragten mich, wohin nachts der Wind geht. Was hättest du geantwortet?",
    ),
    "fr": (
        "Bonjour ! Je suis heureux que vous soyez là.",
        "En venant, j'ai traversé le vieux pont de pierre, et la rivière était pleine de lumière. "
        "Deux enfants m'ont demandé où va le vent la nuit. Qu'auriez-vous répondu ?",
    ),
    "ru": (
        "Доброе утро! Я рад, что вы здесь.",
        "По дороге сюда я шёл через старый каменный мост, и река была полна света. "
        "Двое детей спросили меня, куда уходит ветер ночью. Что бы вы им ответили?",
    ),
    "pt": (
        "Bom dia! Fico feliz que você esteja aqui.",
        "No caminho, passei pela velha ponte de pedra, e o rio estava cheio de luz. "
        "Duas crianças me perguntaram para onde vai o vento à noite. O que você responderia?",
    ),
    "es": (
        "¡Buenos días! Me alegra que estés aquí.",
        "De camino crucé el viejo puente de piedra, y el río estaba lleno de luz. "
        "Dos niños me preguntaron adónde va el viento por la noche. ¿Qué habrías respondido tú?",
    ),
    "it": (
        "Buongiorno! Sono felice che tu sia qui.",
        "Venendo qui ho attraversato il vecchio ponte di pietra, e il fiume era pieno di luce. "
        "Due bambini mi hanno chiesto dove va il vento di notte. Tu che cosa avresti risposto?",
    ),
}


def greeting(language: str) -> str:
    """Return a short text in a language's code, such as `en` or `zh-beijing`."""
    return _of(language)[0]


def script(language: str) -> str:
    """Return a text of about ten seconds in a language's code."""
    return " ".join(_of(language))


def _of(language: str) -> tuple[str, str]:
    return _SCRIPTS.get(language.partition("-")[0], _SCRIPTS["en"])
