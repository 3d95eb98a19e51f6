// This file is part of Early Access.  The COPYRIGHT file at the top level of
// this repository contains the full copyright notices and license terms.

// An OpenID Connect provider on loopback for the tests.  What it needs to know
// comes as JSON on the standard input.

import http from 'node:http';
import {text} from 'node:stream/consumers';
import {pathToFileURL} from 'node:url';

const settings = JSON.parse(await text(process.stdin));
const {default: Provider} = await import(
    pathToFileURL(`${settings.modules}/oidc-provider/lib/index.js`));

const provider = new Provider(settings.issuer, {
    acrValues: ['eidas1'],
    claims: {
        openid: ['sub'],
        scope_all: [
            'given_name', 'family_name', 'SubjectNameID', 'SubjectRefPro'],
    },
    clients: [settings.client],
    cookies: {keys: ['tests']},
    features: {
        backchannelLogout: {enabled: true},
        devInteractions: {enabled: false},
    },
    // What it asks the servers with refuses those that are on loopback
    fetch: (url, {dispatcher, ...options}) => fetch(url, options),
    findAccount: (_, id) => ({
        accountId: id,
        claims: () => ({sub: id, ...settings.accounts[id]}),
    }),
    interactions: {url: (_, {uid}) => `/interaction/${uid}`},
    // The professionals are not asked what they agree to share
    loadExistingGrant: async ({oidc}) => {
        const grant = new provider.Grant({
            clientId: oidc.client.clientId,
            accountId: oidc.session.accountId,
        });
        grant.addOIDCScope('openid scope_all');
        await grant.save();
        return grant;
    },
    scopes: ['openid', 'scope_all'],
    ttl: {
        AccessToken: 60,
        Grant: 3600,
        IdToken: 60,
        Interaction: 3600,
        Session: 3600,
    },
});
const answer = provider.callback();

const page = `<!DOCTYPE html>
<html lang="fr"><head><meta charset="utf-8"><title>Fournisseur</title></head>
<body><h1>Fournisseur d'identité d'essai</h1>
<form method="post"><label>Identifiant <input name="login"></label>
<button>S'identifier</button></form></body></html>`;

http.createServer(async (request, response) => {
    if (!request.url.startsWith('/interaction/')) {
        return answer(request, response);
    }
    if (request.method === 'GET') {
        response.setHeader('Content-Type', 'text/html; charset=utf-8');
        return response.end(page);
    }
    const login = new URLSearchParams(await text(request)).get('login');
    return provider.interactionFinished(request, response, {
        login: {accountId: login, acr: 'eidas1'},
    });
}).listen(settings.port, 'localhost', () => console.log('ready'));
