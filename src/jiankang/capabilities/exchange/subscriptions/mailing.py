"""Notifications by mail: http://hl7.org/fhir/R4/subscription.html#email."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from jiankang.capabilities.exchange.subscriptions.signing import EVENT, SIGNATURE
from jiankang.capabilities.exchange.subscriptions.wishes import mail_address
from jiankang.foundation.identity.notifying import TIMEOUT_SECONDS, named_headers

if TYPE_CHECKING:
    from jiankang.capabilities.exchange.subscriptions.model import Subscriber
    from jiankang.capabilities.exchange.subscriptions.telling import Parcel
    from jiankang.kernel.settings import Settings

_SUBJECT = "健康平台通知 / Jiankang notification"
_TEXT = (
    "您订阅的内容有新变化（订阅 {id}，第 {number} 号）。\n"
    "There is news that you subscribed to (subscription {id}, number {number}).\n"
)


def letter(settings: Settings, one: Subscriber, parcel: Parcel, number: int, signed: str) -> EmailMessage:
    """The mail that tells of an event; the resource is attached only if the subscriber asked for a payload."""
    mail = EmailMessage()
    given = {name.lower(): value for name, value in named_headers(one.wish.headers).items()}
    mail["From"] = settings.mail_from
    mail["To"] = mail_address(one.wish.endpoint)
    mail["Subject"] = given.get("subject", _SUBJECT)
    mail[EVENT] = str(number)
    mail[SIGNATURE] = signed
    mail.set_content(_TEXT.format(id=one.id, number=number))
    if parcel.body:
        main, _, sub = parcel.media_type.partition("/")
        ending = "xml" if sub.endswith("xml") else "json"
        mail.add_attachment(parcel.body, maintype=main, subtype=sub, filename=f"notification-{number}.{ending}")
    return mail


async def post(settings: Settings, mail: EmailMessage) -> str:
    """One attempt to hand a mail over; "" when the server took it, else why not."""
    try:
        return await asyncio.to_thread(_hand_over, settings.smtp_url, mail)
    except smtplib.SMTPResponseException as error:
        return f"the mail server answered {error.smtp_code}"
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return f"the mail cannot be handed over: {type(error).__name__}"


def _hand_over(url: str, mail: EmailMessage) -> str:
    """`smtp://` (with STARTTLS where it is offered, always before a password is sent), `smtps://`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_SECONDS)
    with server:
        server.ehlo()
        if parts.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        elif parts.scheme != "smtps" and parts.username:
            return "the mail server offers no encryption, so the password is not sent"
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        refused = server.send_message(mail)
    return "the mail server refused the address" if refused else ""
