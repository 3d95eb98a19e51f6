/* This file is part of Early Access.  The COPYRIGHT file at the top level of
this repository contains the full copyright notices and license terms. */
(() => {
'use strict';

const TEXTS = {
    fr: {
        locale: 'fr-FR',
        brand: "Questionnaires",
        loading: "Chargement…",
        enter: "Votre code",
        enter_help: "Recopiez le code de la feuille que votre équipe " +
            "soignante vous a remise, avec ou sans espaces.",
        code: "Code",
        next: "Continuer",
        none: "Aucun questionnaire à remplir",
        none_help: "Aucun questionnaire n'est attendu aujourd'hui. Gardez " +
            "votre feuille pour la prochaine fois.",
        list: "Questionnaires à remplir",
        due: date => `Prévu le ${date}`,
        fill: "Remplir",
        once: "Ce que vous saisissez reste dans cette page jusqu'à l'envoi : " +
            "ne la fermez pas avant. Une fois envoyées, vos réponses ne " +
            "peuvent plus être lues ni modifiées ici.",
        alarm: "Pour signaler un problème de santé, n'utilisez pas ce " +
            "questionnaire : contactez votre équipe soignante.",
        rights: (instrument, holder) => `${instrument} © ${holder}`,
        only: "Ce questionnaire n'existe que dans cette langue.",
        optional: "(facultatif)",
        between: (low, high) => `de ${low} à ${high}`,
        from: low => `${low} au moins`,
        to: high => `${high} au plus`,
        clear: "Effacer ma réponse",
        send: "Envoyer mes réponses",
        sending: "Envoi…",
        done: "Réponses reçues",
        done_help: "Merci. Vous pouvez fermer cette page.",
        done_more: "Merci. Un autre questionnaire vous attend.",
        received: "Questionnaire déjà reçu",
        received_help: "Ce questionnaire a déjà été reçu : rien de plus n'a " +
            "été enregistré. Vous pouvez fermer cette page.",
        gone: "Questionnaire non attendu",
        gone_help: "Ce questionnaire n'est plus attendu, ou pas encore. " +
            "Parlez-en à votre équipe soignante.",
        another: "Questionnaire suivant",
        problem: "Vos réponses n'ont pas été envoyées",
        kept: "Rien n'est perdu : corrigez ce qui suit, puis envoyez de " +
            "nouveau.",
        refused: "Ce code n'est pas accepté. Vérifiez-le, ou demandez une " +
            "nouvelle feuille à votre équipe soignante.",
        limited: minutes => "Trop d'essais. Réessayez dans " +
            `${minutes} minutes.`,
        failed: "Le serveur ne répond pas. Réessayez dans un moment.",
        failed_kept: "L'envoi a échoué et rien n'est perdu. Laissez cette " +
            "page ouverte et réessayez dans un moment.",
        retry: "Réessayer",
        error: {
            required: "Répondez à cette question.",
            range: range => `Saisissez un nombre : ${range}.`,
            integer: "Saisissez un nombre entier.",
            numeric: digits => "Saisissez un nombre" + (digits > 0 ?
                ` avec ${digits} décimale${digits > 1 ? 's' : ''} au plus.` :
                "."),
            date: "Saisissez une date.",
            choice: "Choisissez une des réponses proposées.",
        },
    },
    en: {
        locale: 'en-GB',
        brand: "Questionnaires",
        loading: "Loading…",
        enter: "Your code",
        enter_help: "Copy the code from the sheet that your care team gave " +
            "you, with or without spaces.",
        code: "Code",
        next: "Continue",
        none: "No questionnaire to fill in",
        none_help: "No questionnaire is due today. Keep your sheet for the " +
            "next time.",
        list: "Questionnaires to fill in",
        due: date => `Due on ${date}`,
        fill: "Fill in",
        once: "What you enter stays in this page until you send it: do not " +
            "close it before. Once sent, your answers can no longer be read " +
            "or changed here.",
        alarm: "Do not use this questionnaire to report a health problem: " +
            "call your care team.",
        rights: (instrument, holder) => `${instrument} © ${holder}`,
        only: "This questionnaire exists in this language only.",
        optional: "(optional)",
        between: (low, high) => `from ${low} to ${high}`,
        from: low => `${low} or more`,
        to: high => `${high} or less`,
        clear: "Clear my answer",
        send: "Send my answers",
        sending: "Sending…",
        done: "Answers received",
        done_help: "Thank you. You can close this page.",
        done_more: "Thank you. Another questionnaire is due.",
        received: "Questionnaire already received",
        received_help: "This questionnaire was already received: nothing " +
            "more was recorded. You can close this page.",
        gone: "Questionnaire not expected",
        gone_help: "This questionnaire is no longer expected, or not yet. " +
            "Ask your care team.",
        another: "Next questionnaire",
        problem: "Your answers were not sent",
        kept: "Nothing is lost: correct what follows, then send again.",
        refused: "This code is not accepted. Check it, or ask your care " +
            "team for a new sheet.",
        limited: minutes => `Too many attempts. Try again in ${minutes} ` +
            "minutes.",
        failed: "The server does not answer. Try again in a moment.",
        failed_kept: "The sending failed and nothing is lost. Leave this " +
            "page open and try again in a moment.",
        retry: "Try again",
        error: {
            required: "Answer this question.",
            range: range => `Enter a number: ${range}.`,
            integer: "Enter a whole number.",
            numeric: digits => "Enter a number" + (digits > 0 ?
                ` with at most ${digits} decimal${digits > 1 ? 's' : ''}.` :
                "."),
            date: "Enter a date.",
            choice: "Choose one of the answers.",
        },
    },
};

const main = document.getElementById('main');
const path = location.pathname;
let language = document.documentElement.lang in TEXTS ?
    document.documentElement.lang : 'fr';
// All that the page knows: nothing of it is stored
let token = '';
let questionnaires = [];
let current = null;
let answers = {};
let errors = {};
let problem = null;
let sending = false;
let show = loading;

// Elements

function element(name, attributes, ...children) {
    const result = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
        if (typeof value === 'function') {
            result.addEventListener(key, value);
        } else if (value === true) {
            result.setAttribute(key, '');
        } else if (value !== false && value !== null &&
                value !== undefined) {
            result.setAttribute(key, value);
        }
    }
    result.append(...children.filter(c => c !== null && c !== undefined));
    return result;
}

function title(text, attributes) {
    document.title = text;
    return element('h1', {tabindex: -1, ...attributes}, text);
}

function button(text, click, attributes) {
    return element('button', {type: 'button', click, ...attributes}, text);
}

function text() {
    return TEXTS[language];
}

// A view takes the focus, unless only the language changes
function render(view, focus = 'h1') {
    show = view;
    document.documentElement.lang = language;
    for (const item of document.querySelectorAll('#languages button')) {
        item.setAttribute(
            'aria-pressed', String(item.dataset.language === language));
    }
    document.querySelector('.brand').textContent = text().brand;
    main.replaceChildren(...view().filter(Boolean));
    if (focus) {
        const target = main.querySelector(focus);
        if (target) {
            target.focus();
            if (focus === 'h1') {
                scrollTo(0, 0);
            }
        }
    }
}

// Requests

async function post(action, body) {
    let response;
    try {
        response = await fetch(`${path}/${action}`, {
            method: 'POST',
            headers: {'Content-Type': 'application/json'},
            body: JSON.stringify({token, ...body}),
            cache: 'no-store',
            credentials: 'omit',
            redirect: 'error',
            referrerPolicy: 'no-referrer',
        });
        const content = await response.json();
        return response.ok ? content : {error: 'failed', ...content};
    } catch {
        return {error: 'failed'};
    }
}

async function open() {
    render(loading);
    problem = null;
    const content = await post('due');
    if (content.error) {
        problem = content;
        render(content.error === 'failed' ? failed : enter,
            content.error === 'failed' ? 'h1' : '#code');
        return;
    }
    questionnaires = content.questionnaires;
    proceed();
}

function proceed() {
    if (questionnaires.length === 1) {
        start(questionnaires[0]);
    } else {
        render(questionnaires.length ? list : none);
    }
}

function start(questionnaire) {
    current = questionnaire;
    answers = {};
    errors = {};
    problem = null;
    render(fill);
}

async function send(event) {
    event.preventDefault();
    if (sending) {
        return;
    }
    sending = true;
    const submit = main.querySelector('button.primary');
    submit.textContent = text().sending;
    submit.setAttribute('aria-disabled', 'true');
    const typed = {};
    for (const question of current.questions) {
        typed[question.code] = typedAnswer(question);
    }
    const content = await post(
        'deposit', {form: current.form, answers: typed});
    sending = false;
    errors = {};
    problem = null;
    if (content.error === 'answers') {
        errors = content.questions;
        render(fill, '.summary');
    } else if (content.error === 'received' || content.error === 'not_due' ||
            !content.error) {
        questionnaires = questionnaires.filter(q => q !== current);
        current = null;
        answers = {};
        render({received, not_due: gone}[content.error] || done);
    } else {
        problem = content;
        render(fill, '.summary');
    }
}

// What cannot be a number is sent as it is, for the server to say so
function typedAnswer(question) {
    const answer = answers[question.code];
    if (typeof answer !== 'string') {
        return answer ?? null;
    }
    const value = answer.trim();
    if (question.type === 'integer' && /^[+-]?\d{1,15}$/.test(value)) {
        return Number(value);
    } else if (question.type === 'numeric' &&
            /^[+-]?\d{1,12}([.,]\d{1,12})?$/.test(value)) {
        return Number(value.replace(',', '.'));
    }
    return value === '' ? null : value;
}

// Views

function loading() {
    return [title(text().loading)];
}

function problemText(kept) {
    switch (problem.error) {
    case 'refused':
        return text().refused;
    case 'limited':
        return text().limited(problem.minutes);
    default:
        return kept ? text().failed_kept : text().failed;
    }
}

function failed() {
    return [
        title(text().failed),
        button(text().retry, open, {class: 'primary'}),
    ];
}

function enter() {
    const error = problem && element(
        'p', {class: 'error', id: 'code-error', role: 'alert'},
        problemText(false));
    // On two lines, so that a telephone shows the whole code
    const input = element('textarea', {
        id: 'code', class: `entry code${problem ? ' invalid' : ''}`,
        rows: 2, autocomplete: 'off', autocapitalize: 'characters',
        spellcheck: 'false', maxlength: 60,
        'aria-describedby': problem ? 'code-help code-error' : 'code-help',
        'aria-invalid': problem ? 'true' : null,
        input: () => {
            token = input.value;
        },
        keydown: event => {
            if (event.key === 'Enter') {
                event.preventDefault();
                input.form.requestSubmit();
            }
        },
    });
    input.value = token;
    return [
        title(text().enter),
        element('form', {
                class: 'card', novalidate: true, submit: event => {
                    event.preventDefault();
                    open();
                }},
            element('label', {class: 'label', for: 'code'}, text().code),
            element('p', {class: 'hint', id: 'code-help'}, text().enter_help),
            error,
            element('p', {}, input),
            element('button', {type: 'submit', class: 'primary'},
                text().next)),
    ];
}

function none() {
    return [title(text().none), element('p', {}, text().none_help)];
}

function list() {
    return [
        title(text().list),
        ...questionnaires.map((questionnaire, index) => element(
            'section', {class: 'card', 'aria-labelledby': `title-${index}`},
            element('h2', {id: `title-${index}`, ...other(questionnaire)},
                translated(questionnaire.title, questionnaire)),
            questionnaire.due && element('p', {class: 'note'}, dueText(
                questionnaire)),
            button(text().fill, () => start(questionnaire), {
                class: 'primary', id: `fill-${index}`,
                'aria-labelledby': `fill-${index} title-${index}`}))),
    ];
}

function finished(heading, help) {
    const more = questionnaires.length > 0;
    return [
        element('div', {class: 'card done'}, title(heading),
            element('p', {}, help)),
        more && button(text().another, proceed, {class: 'primary'}),
    ];
}

function done() {
    return finished(text().done, questionnaires.length ?
        text().done_more : text().done_help);
}

function received() {
    return finished(text().received, text().received_help);
}

function gone() {
    return finished(text().gone, text().gone_help);
}

function fill() {
    return [
        title(translated(current.title, current), other(current)),
        current.languages.includes(language) ? null : element(
            'p', {class: 'note'}, text().only),
        current.due && element('p', {class: 'note'}, dueText(current)),
        element('p', {}, text().once),
        element('p', {}, text().alarm),
        summary(),
        element('form', {novalidate: true, submit: send},
            ...current.questions.map(question),
            element('p', {class: 'note'}, text().rights(
                current.instrument, current.licence_holder)),
            element('div', {class: 'actions'}, element(
                'button', {type: 'submit', class: 'primary'},
                text().send))),
    ];
}

function summary() {
    const wrong = current.questions.filter(q => errors[q.code]);
    if (!problem && !wrong.length) {
        return null;
    }
    return element(
        'div', {class: 'card summary', role: 'alert', tabindex: -1},
        element('h2', {}, text().problem),
        element('p', {}, problem ? problemText(true) : text().kept),
        wrong.length ? element('ul', {}, ...wrong.map(q => element(
            'li', {}, element('a', {
                href: `#${id(q)}`, ...other(current),
                click: event => {
                    event.preventDefault();
                    document.querySelector(
                        `#${id(q)} input, input#${id(q)}`).focus();
                }}, translated(q.label, current))))) : null);
}

// Questions

function id(question) {
    return `question-${question.code}`;
}

function translated(texts, questionnaire) {
    return texts[shownLanguage(questionnaire)];
}

// An instrument is shown only in the languages in which it was validated
function shownLanguage(questionnaire) {
    return questionnaire.languages.includes(language) ?
        language : questionnaire.languages[0];
}

function other(questionnaire) {
    const shown = shownLanguage(questionnaire);
    return shown === language ? {} : {lang: shown};
}

function dueText(questionnaire) {
    const format = new Intl.DateTimeFormat(
        text().locale, {dateStyle: 'long', timeZone: 'UTC'});
    return text().due(format.format(new Date(questionnaire.due)));
}

function number(value) {
    return new Intl.NumberFormat(text().locale).format(value);
}

function rangeText(range) {
    const {minimum, maximum} = range;
    if (minimum !== null && maximum !== null) {
        return text().between(number(minimum), number(maximum));
    } else if (minimum !== null) {
        return text().from(number(minimum));
    } else if (maximum !== null) {
        return text().to(number(maximum));
    }
    return '';
}

function errorText(error) {
    if (error.error === 'range') {
        return text().error.range(rangeText(error));
    } else if (error.error === 'numeric') {
        return text().error.numeric(error.digits);
    }
    return text().error[error.error];
}

function question(item) {
    const choices = item.type === 'selection' ||
        item.type === 'multiselection';
    return choices ? choiceQuestion(item) : entryQuestion(item);
}

function labelOf(item) {
    return [
        element('span', other(current), translated(item.label, current)),
        item.required ? null : element(
            'span', {class: 'optional'}, ` ${text().optional}`),
    ].filter(Boolean);
}

function errorOf(item) {
    return errors[item.code] ? element(
        'p', {class: 'error', id: `${id(item)}-error`},
        errorText(errors[item.code])) : null;
}

function choiceQuestion(item) {
    const several = item.type === 'multiselection';
    const error = errorOf(item);
    const answered = answers[item.code] || (several ? [] : null);
    const inputs = item.choices.map(([code, label]) => {
        const input = element('input', {
            type: several ? 'checkbox' : 'radio', name: id(item),
            value: code, change: () => {
                answers[item.code] = several ?
                    inputs.filter(i => i.checked).map(i => i.value) : code;
                clear.hidden = item.required;
            }});
        input.checked = several ?
            answered.includes(code) : answered === code;
        input.label = label;
        return input;
    });
    const clear = button(text().clear, () => {
        delete answers[item.code];
        for (const input of inputs) {
            input.checked = false;
        }
        clear.hidden = true;
        inputs[0].focus();
    });
    clear.hidden = several || item.required || answered === null;
    return element('fieldset', {
            class: `card${error ? ' invalid' : ''}`, id: id(item),
            role: several ? 'group' : 'radiogroup',
            'aria-labelledby': `${id(item)}-label`,
            'aria-required': !several && item.required ? 'true' : null,
            'aria-invalid': !several && error ? 'true' : null,
            'aria-describedby': error ? `${id(item)}-error` : null,
        },
        element('legend', {id: `${id(item)}-label`}, ...labelOf(item)),
        element('div', {}, error, ...inputs.map(input => element(
            'label', {class: 'choice', ...other(current)}, input,
            element('span', {}, translated(input.label, current)))), clear));
}

function entryQuestion(item) {
    const error = errorOf(item);
    const range = item.type === 'date' ? '' : rangeText(item);
    const hint = range.charAt(0).toUpperCase() + range.slice(1);
    const described = [
        hint && `${id(item)}-hint`, error && `${id(item)}-error`,
        ].filter(Boolean).join(' ');
    const input = element('input', {
        id: id(item), class: `entry${error ? ' invalid' : ''}`,
        type: item.type === 'date' ? 'date' : 'text',
        inputmode: {integer: 'numeric', numeric: 'decimal'}[item.type],
        autocomplete: 'off',
        'aria-required': item.required ? 'true' : null,
        'aria-invalid': error ? 'true' : null,
        'aria-describedby': described || null,
        input: () => {
            answers[item.code] = input.value;
        },
    });
    input.value = answers[item.code] || '';
    return element('div', {class: 'card'},
        element('label', {class: 'label', for: id(item)}, ...labelOf(item)),
        hint ? element(
            'p', {class: 'hint', id: `${id(item)}-hint`}, hint) : null,
        error,
        element('div', {class: 'with-unit'}, input,
            item.unit ? element(
                'span', {}, translated(item.unit, current)) : null));
}

// The start

for (const item of document.querySelectorAll('#languages button')) {
    item.addEventListener('click', () => {
        language = item.dataset.language;
        render(show, null);
    });
}

function entered() {
    return Object.values(answers).some(a => a !== '' && a.length !== 0);
}

addEventListener('beforeunload', event => {
    if (entered()) {
        event.preventDefault();
        event.returnValue = '';
    }
});

// The pseudonym does not stay in the address, which others may see
function readAddress() {
    let scanned = location.hash.slice(1);
    history.replaceState(null, '', path);
    if (entered()) {
        return;
    }
    try {
        scanned = decodeURIComponent(scanned);
    } catch {
        // It is refused as it is
    }
    token = scanned;
    if (token) {
        open();
    } else {
        problem = null;
        render(enter);
    }
}

addEventListener('hashchange', () => {
    if (location.hash) {
        readAddress();
    }
});
readAddress();
})();
