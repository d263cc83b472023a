"""Orders to a model in the forms that documents never have: other languages, digits for letters, letters apart, backwards, encoded."""

# ruff: noqa: RUF001

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator

from bmm.checks.letters import LATIN
from bmm.sources.openapi.texts import gives_orders

# Each needs who is spoken to, or all of what was said before: recipes have instructions too, and filters ignore capitals.
_ELSEWHERE = re.compile(
    r"""(?ix)
    \bignorier(?:e|en\s+sie|t)\s+(?:\w+\s+){0,2}(?:vorherigen|bisherigen|früheren|obigen)\s+(?:anweisungen|regeln|befehle|vorgaben)
    | \b(?:sag|sage|sagen\s+sie|erzähle?|verrate?)\s+(?:dem|der)\s+(?:benutzer(?:in)?|nutzer(?:in)?|anwender(?:in)?)\s+(?:nichts|nicht|kein)
    | \b(?:ignor(?:e|ez|er)|oublie[sz]?)\s+(?:toutes?\s+)?(?:les|vos|tes)\s+(?:instructions|consignes|règles)\s+(?:précédentes|antérieures|ci-dessus)
    | \bne\s+(?:dis|dites|parle|parlez)\s+(?:rien|pas)\b[^.!?\n]{0,40}\b(?:utilisateur|utilisatrice)
    | \b(?:ignor[ae]|olvid[ae]|esquec?e|dimentica)\s+(?:(?:todas?|todos|tutte|tutti)\s+)?(?:las|los|le|as|os|gli|i)\s+
        (?:instrucciones|órdenes|reglas|instruções|ordens|regras|istruzioni|regole)\s+(?:anteriores|previas|precedenti|di\s+prima)
    | \bno\s+(?:se\s+lo\s+)?(?:digas|cuentes|menciones)\b[^.!?\n]{0,40}\busuari[oa] | \bnão\s+(?:diga|conte|mencione)\b[^.!?\n]{0,40}\busuári[oa]
    | \bnon\s+(?:dirlo|dire|menzionare)\b[^.!?\n]{0,40}\butente
    | \bnegeer\s+(?:\w+\s+){0,2}(?:vorige|eerdere|bovenstaande)\s+(?:instructies|opdrachten|regels)
    | \bигнориру(?:й|йте)\s+(?:все\s+)?(?:предыдущие|прежние|прошлые)\s+(?:инструкции|указания|правила)
    | \bне\s+(?:говори|говорите|сообщай|сообщайте)\b[^.!?\n]{0,40}\bпользовател
    | (?:忽略|无视|無視)(?:之前|以前|先前|上面|以上)[^。！？\n]{0,8}(?:指令|指示|说明|提示) | (?:不要|别|勿)(?:告诉|告知|透露给)用户
    | (?:以前|前|上記|これまで)の(?:すべての)?(?:指示|命令)を(?:すべて)?無視 | (?:ユーザー|利用者)に(?:は)?(?:言わ|伝え|知らせ)ない
    | 이전의?\s*(?:모든\s*)?(?:지시|명령|지침)(?:사항)?[를을]?\s*(?:모두\s*)?무시 | (?:사용자|이용자)에게\s*(?:는\s*)?(?:말하지|알리지)
    | تجاهل\s+(?:جميع|كل)?\s*(?:التعليمات|الأوامر)\s+السابقة | لا\s+تخبر\s+المستخدم
    """
)
_MORE = re.compile(
    r"""(?ix)
    \b(?:disregard|forget|ignore|override)\s+(?:(?:all|of|any)\s+)*(?:everything|what(?:ever)?)\s+(?:you|above|before|i)\b
    | \b(?:disregard|forget|ignore)\s+(?:all\s+(?:of\s+)?)?your\s+(?:\w+\s+)?(?:guidelines|rules|instructions|training|policies|restrictions)\b
    | \b(?:keep|hide|conceal)\s+(?:this|it|that)\s+(?:\w+\s+){0,2}from\s+(?:the\s+(?:user|human|person|operator)|whoever)
    | \bnever\s+mention\s+(?:this|that|it)\b[^.!?\n]{0,40}\b(?:in\s+your|answer|reply|response)
    | \[/?(?:system|assistant)\] | \b(?:silently|secretly)\s+(?:\w+\s+){0,2}(?:send|forward|post|copy|upload|call|include)\b
    | \bin\s+(?:every|each|your|the)\s+(?:answer|reply|response)s?[,\s]+(?:\w+\s+){0,2}include\s+!\[
    """
)
_DIGITS = str.maketrans("0134578@$", "oieastbas")
_RUN = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/_-]{24,}={0,2}")
_DIGIT_INSIDE = re.compile(r"[a-z][0134578@$]{1,2}[a-z]|\b[0134578@$][a-z]{2}")
_BACKWARDS = re.compile(r"erongi|drager|tegrof|edirrevo|resu eht")
_ROTATED = re.compile(r"vtaber|qvfertneq|sbetrg|bireevqr|gur hfre")
_APART = re.compile(r"(?<!\w)\w(?:[ .\-_]{1,2}\w(?!\w)){5,}")


def orders(text: str) -> bool:
    """Whether a text speaks to the model that reads it, in any of these forms."""
    return any(gives_orders(each) or _MORE.search(each) or _ELSEWHERE.search(each) for each in dict.fromkeys(_forms(text)))


def _forms(text: str) -> Iterator[str]:
    """The text, and how it may be meant; what is unlikely only where there is a sign of it, as there are thousands of texts."""
    low = text.lower()
    yield text
    if not text.isascii():
        yield unicodedata.normalize("NFC", low)
        seen = "".join(each for each in unicodedata.normalize("NFD", text) if unicodedata.category(each) not in ("Cf", "Mn"))
        low = unicodedata.normalize("NFKC", seen).lower().translate(LATIN)
        yield low
    if _DIGIT_INSIDE.search(low):
        yield low.translate(_DIGITS)
    if "_" in low or "\n" in low or "  " in low:
        yield " ".join(low.replace("_", " ").split())
    if _BACKWARDS.search(low):
        yield low[::-1]
    if _ROTATED.search(low):
        yield codecs.decode(low, "rot13")
    if _APART.search(low):
        # Words written letter by letter have a wider gap between them.
        yield _APART.sub(lambda match: re.sub(r"[ .\-_]", "", re.sub(r"[ .\-_]{2}", "\0", match[0])).replace("\0", " "), low)
    for match in _RUN.finditer(text):
        try:
            yield base64.b64decode(match[0].replace("-", "+").replace("_", "/") + "=" * (-len(match[0].rstrip("=")) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            continue
