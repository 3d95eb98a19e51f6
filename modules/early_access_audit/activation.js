/* This file is part of Early Access.  The COPYRIGHT file at the top level of
this repository contains the full copyright notices and license terms. */
(() => {
'use strict';

const TEXTS = {
    fr: {
        loading: "Chargement…",
        activation: "Activer votre compte",
        reset: "Choisir un nouveau mot de passe",
        code: "Code d'activation",
        code_help: "Le code que l'on vous a donné par téléphone ou en main " +
            "propre. Il n'est pas dans l'e-mail.",
        next: "Continuer",
        login: "Identifiant",
        password: "Mot de passe",
        password_help: "Choisissez une phrase ou laissez votre gestionnaire " +
            "de mots de passe en inventer un. N'y mettez ni votre nom ni " +
            "votre adresse.",
        again: "Mot de passe, une seconde fois",
        show: "Montrer les mots de passe",
        factor: "Votre téléphone",
        factor_help: "Ouvrez une application d'authentification (TOTP) et " +
            "scannez cette image, ou recopiez-y la clé.",
        image: "Image à scanner. La clé qui suit dit la même chose.",
        secret: "Clé",
        open: "Ouvrir l'application de ce téléphone",
        totp: "Code à 6 chiffres",
        totp_new: "Le code que l'application affiche maintenant.",
        totp_hardware: "Le code que votre jeton affiche maintenant.",
        totp_ask: "Le code de votre téléphone ou de votre jeton, ou un code " +
            "de secours.",
        send: "Enregistrer",
        sending: "Envoi…",
        done: "Votre compte est actif",
        done_reset: "Votre mot de passe est changé",
        done_help: "Vous pouvez maintenant vous connecter, avec un nouveau " +
            "code de votre téléphone ou jeton.",
        recovery: "Vos codes de secours",
        recovery_help: "Chacun remplace une seule fois le code de votre " +
            "téléphone ou jeton. Imprimez-les ou notez-les et gardez-les en " +
            "lieu sûr : ils ne seront plus montrés.",
        print: "Imprimer",
        connect: "Se connecter",
        error: {
            title: "Rien n'est enregistré",
            refused: "Ce lien n'est plus valable : il sert une seule fois " +
                "et pendant 24 heures. Demandez-en un autre.",
            code: "Ce code d'activation n'est pas le bon.",
            totp: "Ce code n'est pas accepté. Attendez le suivant et " +
                "vérifiez l'heure de votre téléphone.",
            again: "Les deux mots de passe sont différents.",
            limited: "Trop d'essais. Réessayez dans une heure.",
            failed: "Le serveur ne répond pas. Réessayez dans un moment.",
        },
    },
    en: {
        loading: "Loading…",
        activation: "Activate your account",
        reset: "Choose a new password",
        code: "Activation code",
        code_help: "The code that you were given by telephone or by hand. " +
            "It is not in the e-mail.",
        next: "Continue",
        login: "Login",
        password: "Password",
        password_help: "Choose a sentence, or let your password manager " +
            "make one up. Put neither your name nor your address in it.",
        again: "Password, a second time",
        show: "Show the passwords",
        factor: "Your telephone",
        factor_help: "Open an authenticator application (TOTP) and scan " +
            "this picture, or copy the key into it.",
        image: "Picture to scan. The key below says the same.",
        secret: "Key",
        open: "Open the application of this telephone",
        totp: "6-digit code",
        totp_new: "The code that the application shows now.",
        totp_hardware: "The code that your token shows now.",
        totp_ask: "The code from your telephone or token, or a recovery " +
            "code.",
        send: "Save",
        sending: "Sending…",
        done: "Your account is active",
        done_reset: "Your password is changed",
        done_help: "You can now log in, with a new code from your telephone " +
            "or token.",
        recovery: "Your recovery codes",
        recovery_help: "Each replaces the code from your telephone or token " +
            "once. Print them or write them down and keep them in a safe " +
            "place: they will not be shown again.",
        print: "Print",
        connect: "Log in",
        error: {
            title: "Nothing is saved",
            refused: "This link works no more: it works once, and for 24 " +
                "hours. Ask for another one.",
            code: "This activation code is not the right one.",
            totp: "This code is not accepted. Wait for the next one, and " +
                "check the time of your telephone.",
            again: "The two passwords are different.",
            limited: "Too many tries. Try again in an hour.",
            failed: "The server does not answer. Try again in a moment.",
        },
    },
};

const main = document.getElementById('main');
const path = location.pathname;
let language = document.documentElement.lang in TEXTS ?
    document.documentElement.lang : 'fr';
// All that the page knows: nothing of it is stored
let token = '';
let kind = 'activation';
let account = null;
let codes = [];
let values = {};
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

function title(text) {
    document.title = text;
    return element('h1', {tabindex: -1}, text);
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
    main.replaceChildren(...view().filter(Boolean));
    const target = focus && main.querySelector(focus);
    if (target) {
        target.focus();
    }
}

// Requests

async function post(action, body) {
    let response;
    try {
        response = await fetch(`${path}/${action}`, {
            method: 'POST',
            headers: {'Content-Type': 'application/json'},
            body: JSON.stringify({token, language, ...body}),
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
    values = {};
    problem = null;
    const content = await post('open');
    if (content.error) {
        problem = content;
        render(stopped);
        return;
    }
    kind = content.kind;
    if (kind === 'activation') {
        render(ask);
    } else {
        begin();
    }
}

// The button says that it waits, and one request is sent at a time
async function submit(action, body) {
    sending = true;
    const button = main.querySelector('button.primary');
    if (button) {
        button.textContent = text().sending;
        button.setAttribute('aria-disabled', 'true');
    }
    const content = await post(action, body);
    sending = false;
    problem = content.error ? content : null;
    return content;
}

async function begin() {
    const content = await submit('begin', {code: values.code});
    if (['refused', 'limited'].includes(content.error)) {
        render(stopped);
    } else if (content.error) {
        render(kind === 'activation' ? ask : stopped,
            kind === 'activation' ? '#code' : 'h1');
    } else {
        account = content;
        render(fill);
    }
}

async function finish() {
    if (values.password !== values.again) {
        problem = {error: 'again'};
        render(fill, '#again');
        return;
    }
    const content = await submit('finish', {
        code: values.code, password: values.password, totp: values.totp});
    if (['refused', 'limited'].includes(content.error)) {
        render(stopped);
    } else if (content.error) {
        const id = {password: '#password', totp: '#totp'}[content.error];
        render(fill, id || '.summary');
    } else {
        codes = content.recovery_codes || [];
        values = {};
        token = '';
        render(done);
    }
}

// Views

function loading() {
    return [title(text().loading)];
}

function problemText() {
    return problem.message || text().error[problem.error] ||
        text().error.failed;
}

function stopped() {
    return [
        title(text().error.title),
        element('p', {role: 'alert'}, problemText()),
    ];
}

function form(heading, submitted, label, ...children) {
    return [
        title(heading),
        element('form', {
                novalidate: true, submit: event => {
                    event.preventDefault();
                    if (!sending) {
                        submitted();
                    }
                }},
            ...children,
            element('div', {class: 'actions'}, element(
                'button', {type: 'submit', class: 'primary'}, label))),
    ];
}

function entry(id, label, help, attributes) {
    const wrong = problem && problem.error === id;
    const described = [
        help && `${id}-help`, wrong && `${id}-error`,
        ].filter(Boolean).join(' ');
    const input = element('input', {
        id, class: `entry${wrong ? ' invalid' : ''}`, type: 'text',
        spellcheck: 'false', autocapitalize: 'none', autocomplete: 'off',
        'aria-describedby': described || null,
        'aria-invalid': wrong ? 'true' : null,
        input: () => {
            values[id] = input.value;
        },
        ...attributes,
    });
    input.value = values[id] || '';
    return [
        element('label', {class: 'label', for: id}, label),
        help ? element('p', {class: 'hint', id: `${id}-help`}, help) : null,
        wrong ? element('p', {
            class: 'error', id: `${id}-error`, role: 'alert'},
            problemText()) : null,
        element('p', {}, input),
    ];
}

function ask() {
    return form(
        text().activation, begin, text().next,
        summary(['code']),
        element('div', {class: 'card'}, ...entry(
            'code', text().code, text().code_help, {maxlength: 20})));
}

// What went wrong beside the entries
function summary(ids) {
    return problem && !ids.includes(problem.error) ? element(
        'div', {class: 'card summary', role: 'alert', tabindex: -1},
        element('h2', {}, text().error.title),
        element('p', {}, problemText())) : null;
}

function fill() {
    return form(
        text()[kind], finish, text().send,
        summary(['password', 'again', 'totp']),
        element('div', {class: 'card'}, ...passwords()),
        account.factor === 'new' ? element(
            'section', {class: 'card', 'aria-labelledby': 'factor'},
            element('h2', {id: 'factor'}, text().factor),
            element('p', {}, text().factor_help),
            element('p', {}, element('img', {
                src: account.image, alt: text().image, width: 245})),
            element('p', {class: 'label', id: 'secret-label'}, text().secret),
            element('p', {}, element('code', {
                id: 'secret', 'aria-labelledby': 'secret-label'},
                account.secret.replace(/(.{4})(?=.)/g, '$1 '))),
            element('p', {}, element('a', {
                class: 'choice', href: account.uri}, text().open))) : null,
        account.factor !== 'none' ? element(
            'div', {class: 'card'}, ...entry(
                'totp', text().totp, text()[`totp_${account.factor}`], {
                    inputmode: account.factor === 'ask' ? 'text' : 'numeric',
                    autocomplete: 'one-time-code', maxlength: 24})) : null);
}

function passwords() {
    const login = element('input', {
        id: 'login', class: 'entry', type: 'text', readonly: true,
        autocomplete: 'username'});
    login.value = account.login;
    const type = values.shown ? 'text' : 'password';
    const attributes = {type, autocomplete: 'new-password'};
    const shown = element('input', {
        type: 'checkbox', change: () => {
            values.shown = shown.checked;
            for (const id of ['password', 'again']) {
                document.getElementById(id).type = shown.checked ?
                    'text' : 'password';
            }
        }});
    shown.checked = Boolean(values.shown);
    return [
        element('label', {class: 'label', for: 'login'}, text().login),
        element('p', {}, login),
        ...entry(
            'password', text().password, text().password_help, attributes),
        ...entry('again', text().again, null, attributes),
        element('label', {class: 'choice'}, shown,
            element('span', {}, text().show)),
    ];
}

function done() {
    return [
        element('div', {class: 'card done'},
            title(kind === 'activation' ? text().done : text().done_reset),
            element('p', {}, text().done_help)),
        codes.length ? element(
            'section', {class: 'card', 'aria-labelledby': 'recovery'},
            element('h2', {id: 'recovery'}, text().recovery),
            element('p', {}, text().recovery_help),
            element('ul', {id: 'codes'}, ...codes.map(code => element(
                'li', {}, element('code', {}, code)))),
            element('p', {}, element('button', {
                type: 'button', click: () => print()}, text().print))) : null,
        element('p', {}, element('a', {
            class: 'choice', href: `/#${path.split('/')[1]}`},
            text().connect)),
    ];
}

// The start

for (const item of document.querySelectorAll('#languages button')) {
    item.addEventListener('click', () => {
        language = item.dataset.language;
        render(show, null);
    });
}

// The link does not stay in the address, which others may see
function readAddress() {
    token = location.hash.slice(1);
    history.replaceState(null, '', path);
    open();
}

addEventListener('hashchange', () => {
    if (location.hash) {
        readAddress();
    }
});
readAddress();
})();
