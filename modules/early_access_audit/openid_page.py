# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""The pages that tell a professional why the sign-in stops, or ask a choice.

They need no script and load nothing. They are shown in the window that the
client opened and watches, thus must stay in its browsing context group.
"""

import base64
import hashlib
import pathlib
from html import escape

from trytond.modules.early_access.page import HEADERS
from trytond.modules.early_access.questionnaire_page import HTML
from trytond.protocols.wrappers import HTTPStatus, Response

LANGUAGES = ['fr', 'en']
CSS = (
    pathlib.Path(f'{HTML}.css').read_text('utf-8')
    + 'fieldset.places { border: 0; margin: 0 0 1rem; padding: 0; }\n')
CSS_DIGEST = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
TEMPLATE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title} - Early Access</title>
<link rel="icon" href="data:,">
<style>{css}</style>
</head>
<body>
<header><p class="brand">Early Access</p></header>
<main id="main">
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""
FORM = """<form method="post" class="card">
<fieldset class="places">
<legend>{legend}</legend>
{choices}
</fieldset>
<div class="actions"><button class="primary">{button}</button></div>
</form>"""
CHOICE = """<label class="choice">
<input type="radio" name="place" value="{id}" required>
<span>{name}<br><span class="note">FINESS {finess}</span></span>
</label>"""

STATUS = {
    'limited': HTTPStatus.TOO_MANY_REQUESTS,
    'unavailable': HTTPStatus.SERVICE_UNAVAILABLE,
    'failed': HTTPStatus.INTERNAL_SERVER_ERROR,
    'choice': HTTPStatus.OK,
    }
# The title, then the paragraphs
TEXTS = {
    'en': {
        'pending': (
            "Your request is registered",
            "{provider} has confirmed who you are, but you have no account "
            "here yet.",
            "The laboratory checks your identity and your practice, then "
            "opens your account. Nothing is asked of you: sign in again in a "
            "few days, in the same way.",
            "Until then no patient can be seen. In an emergency, call the "
            "laboratory."),
        'inactive': (
            "Your account is not active",
            "{provider} has confirmed who you are, but your account here is "
            "closed.",
            "Ask the laboratory to open it again."),
        'no_activity': (
            "No establishment of yours takes part",
            "{provider} states none of the establishments for which you have "
            "an account here.",
            "If you now practise elsewhere, ask the laboratory to add your "
            "establishment. If the directory of health professionals is "
            "wrong, ask your professional order or your employer to correct "
            "it."),
        'no_number': (
            "Your number is missing",
            "{provider} does not state your RPPS number and your name, by "
            "which alone you are recognised here.",
            "Sign in with your professional card, or ask the laboratory how "
            "to come in."),
        'cancelled': (
            "You did not sign in",
            "{provider} did not confirm who you are, or you have stopped.",
            "Close this window to try again."),
        'refused': (
            "The sign-in has not succeeded",
            "It took too long, was begun in another window, or what "
            "{provider} answered could not be accepted.",
            "Close this window and try again."),
        'other_user': (
            "This is another account",
            "The open session is of somebody else. Log out there first, then "
            "sign in again."),
        'limited': (
            "Too many tries",
            "Too many sign-ins come from your network. Try again in an "
            "hour."),
        'unavailable': (
            "{provider} does not answer",
            "Close this window and try again in a few minutes."),
        'failed': (
            "The sign-in has not succeeded",
            "The server met an error. Close this window and try again in a "
            "few minutes."),
        'choice': (
            "Where do you work now?",
            "What you see and do in this session will be of the "
            "establishment that you choose. To change, log out and sign in "
            "again."),
        'legend': "Establishment",
        'button': "Continue",
        'contact': "To contact the laboratory: {contact}",
        'close': "You can close this window.",
        },
    'fr': {
        'pending': (
            "Votre demande est enregistrée",
            "{provider} a confirmé votre identité, mais vous n'avez pas "
            "encore de compte ici.",
            "Le laboratoire vérifie votre identité et votre exercice, puis "
            "ouvre votre compte. Vous n'avez rien à faire : identifiez-vous "
            "à nouveau dans quelques jours, de la même façon.",
            "D'ici là, aucun patient n'est visible. En cas d'urgence, "
            "appelez le laboratoire."),
        'inactive': (
            "Votre compte n'est pas actif",
            "{provider} a confirmé votre identité, mais votre compte est "
            "fermé.",
            "Demandez au laboratoire de le rouvrir."),
        'no_activity': (
            "Aucun de vos établissements ne participe",
            "{provider} n'indique aucun des établissements pour lesquels "
            "vous avez un compte ici.",
            "Si vous exercez désormais ailleurs, demandez au laboratoire "
            "d'ajouter votre établissement. Si l'annuaire des professionnels "
            "de santé est inexact, demandez à votre ordre ou à votre "
            "employeur de le corriger."),
        'no_number': (
            "Votre numéro manque",
            "{provider} n'indique pas votre numéro RPPS et votre nom, qui "
            "seuls permettent de vous reconnaître ici.",
            "Identifiez-vous avec votre carte de professionnel, ou demandez "
            "au laboratoire comment entrer."),
        'cancelled': (
            "Vous n'êtes pas identifié",
            "{provider} n'a pas confirmé votre identité, ou vous avez "
            "renoncé.",
            "Fermez cette fenêtre pour essayer à nouveau."),
        'refused': (
            "L'identification n'a pas abouti",
            "Elle a duré trop longtemps, a commencé dans une autre fenêtre, "
            "ou la réponse de {provider} n'a pas pu être acceptée.",
            "Fermez cette fenêtre et essayez à nouveau."),
        'other_user': (
            "C'est un autre compte",
            "La session ouverte est celle d'une autre personne. "
            "Déconnectez-la d'abord, puis identifiez-vous à nouveau."),
        'limited': (
            "Trop d'essais",
            "Trop d'identifications viennent de votre réseau. Essayez à "
            "nouveau dans une heure."),
        'unavailable': (
            "{provider} ne répond pas",
            "Fermez cette fenêtre et essayez à nouveau dans quelques "
            "minutes."),
        'failed': (
            "L'identification n'a pas abouti",
            "Le serveur a rencontré une erreur. Fermez cette fenêtre et "
            "essayez à nouveau dans quelques minutes."),
        'choice': (
            "Où exercez-vous maintenant ?",
            "Ce que vous verrez et ferez dans cette session sera de "
            "l'établissement que vous choisissez. Pour en changer, "
            "déconnectez-vous et identifiez-vous à nouveau."),
        'legend': "Établissement",
        'button': "Continuer",
        'contact': "Pour joindre le laboratoire : {contact}",
        'close': "Vous pouvez fermer cette fenêtre.",
        },
    }


def language_of(request):
    return request.accept_languages.best_match(LANGUAGES, default='fr')


def show(request, kind, provider, contact=''):
    """Return a page that says why the sign-in stops.

    :param kind: a key of TEXTS.
    :param provider: the name of the provider.
    :param contact: how to reach the laboratory.
    """
    texts = TEXTS[language_of(request)]
    _, *paragraphs = texts[kind]
    if contact:
        paragraphs.append(texts['contact'])
    paragraphs.append(texts['close'])
    content = ''.join(
        f'<p>{fill(p, provider, contact)}</p>\n' for p in paragraphs)
    return respond(
        request, kind, provider, f'<div class="card">\n{content}</div>')


def ask(request, provider, places, client):
    """Return the page on which the user chooses an establishment.

    :param places: the records of the parties.
    :param client: the address that the choice leads to.
    """
    texts = TEXTS[language_of(request)]
    _, paragraph = texts['choice']
    choices = '\n'.join(
        CHOICE.format(
            id=p.id, name=escape(p.name), finess=escape(p.finess or ''))
        for p in places)
    content = f'<p>{escape(paragraph)}</p>\n' + FORM.format(
        legend=escape(texts['legend']), button=escape(texts['button']),
        choices=choices)
    return respond(
        request, 'choice', provider, content, form_action=f"'self' {client}")


def fill(text, provider, contact=''):
    return escape(text.format(provider=provider, contact=contact))


def respond(request, kind, provider, content, form_action="'none'"):
    language = language_of(request)
    title, *_ = TEXTS[language][kind]
    return Response(
        TEMPLATE.format(
            language=language, title=fill(title, provider), css=CSS,
            content=content),
        STATUS.get(kind, HTTPStatus.FORBIDDEN),
        headers={
            **HEADERS,
            # The form would otherwise come from nowhere
            'Referrer-Policy': 'same-origin',
            'Content-Language': language,
            'Content-Security-Policy': (
                f"default-src 'none'; style-src 'sha256-{CSS_DIGEST}'; "
                f"img-src data:; base-uri 'none'; "
                f"form-action {form_action}; frame-ancestors 'none'"),
            'X-Frame-Options': 'DENY',
            'X-Robots-Tag': 'noindex',
            },
        content_type='text/html; charset=utf-8')
