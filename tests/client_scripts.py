# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"What the tests look for in the pages of the browser client."

# The dialogs that carry a message, unlike those that hold a form
MESSAGES = ','.join(f'.modal.{class_}-dialog:visible' for class_ in [
        'confirmation', 'error', 'message', 'user-warning', 'warning'])

# What is not valid in the form on the screen
INVALID = '.infobar .alert-danger:not([data-seen]):visible > span'

# Count the running requests, and the turns of the event loop without any: the
# client does its work in steps, and a clock would run while it draws.  The bus
# keeps one request open all the time.
COUNT_REQUESTS = """
(() => {
    let pending = 0;
    const {open, send} = XMLHttpRequest.prototype;
    XMLHttpRequest.prototype.open = function(method, url) {
        this.__counted = !String(url).endsWith('/bus');
        return open.apply(this, arguments);
    };
    XMLHttpRequest.prototype.send = function() {
        if (this.__counted) {
            pending += 1;
            this.addEventListener('loadend', () => {
                pending -= 1;
            });
        }
        return send.apply(this, arguments);
    };
    window.__quiet = () => new Promise((resolve, reject) => {
        let turns = 0;
        const start = performance.now();
        const turn = () => {
            turns = pending ? 0 : turns + 1;
            if (turns > 10) {
                resolve();
            } else if (performance.now() - start > 60000) {
                reject(new Error("The server does not answer"));
            } else {
                setTimeout(turn, 15);
            }
        };
        turn();
    });
})();
"""

END_TRANSITIONS = """
() => {
    jQuery.fn.emulateTransitionEnd = function() {
        return this.trigger(jQuery.support.transition.end);
    };
}
"""

# The client indents an item by its depth
MENU_DEPTHS = """
rows => rows.map(row => {
    const image = row.querySelector('.expander img');
    return Math.round(parseFloat(image.style.marginLeft || '0'));
})
"""

# Find the control of a field by its name or by its label, or the panel of a
# field that shows a list
FIND = r"""
([scope, key, panel]) => {
    const visible = e => e.getClientRects().length > 0;
    const panels = '.form-one2many, .form-many2many, .form-dict';
    const found = e => {
        if (!e || !visible(e)) {
            return null;
        }
        return panel ? e.closest(panels) : e;
    };
    for (const e of scope.querySelectorAll(`[name="${CSS.escape(key)}"]`)) {
        // The entry to add to a panel is not the field
        const adds = e.closest(
            '[class$="-menu panel-heading"], .form-dict-body > .dict-row');
        if (e.matches('input, select, textarea, .richtext')
            && Boolean(adds) == panel && found(e)) {
            return found(e);
        }
    }
    for (const label of scope.querySelectorAll('label')) {
        const text = label.textContent.trim().replace(/\s*:$/, '');
        if (visible(label) && text === key && label.htmlFor) {
            const e = found(document.getElementById(label.htmlFor));
            if (e) {
                return e;
            }
        }
    }
    // The element of a list does not carry the name of its field
    const tab = Sao.Tab.tabs.get_current();
    if (tab && tab.screen && !scope.closest('.modal')) {
        const widgets = tab.screen.current_view.widgets || {};
        for (const widget of widgets[key] || []) {
            const e = widget.el && widget.el[0];
            if (e && scope.contains(e) && found(e)) {
                return found(e);
            }
        }
    }
    return null;
}
"""

# Say how to fill a control
KIND = """
e => {
    if (e.tagName == 'SELECT') {
        return 'select';
    } else if (e.type == 'checkbox') {
        return 'checkbox';
    } else if (e.closest(
            '.form-many2one, .form-one2one, .form-reference,'
            + '.form-many2many-menu, .form-one2many-menu,'
            + '[class*=editabletree-many2one]')) {
        return 'relation';
    } else if (e.closest(
            '[class*=-integer], [class*=-float], [class*=-numeric]')) {
        return 'number';
    } else if (e.closest('[class$=-date], [class*="-date "]')) {
        return 'date';
    }
    return 'text';
}
"""

READ = """
e => {
    if (e.tagName == 'SELECT') {
        const labels = [...e.selectedOptions].map(o => o.textContent);
        return e.multiple ? labels : (labels[0] || '');
    } else if (e.type == 'checkbox') {
        return e.checked;
    } else if ('value' in e) {
        return e.value;
    }
    return e.innerText;
}
"""

READ_ROWS = r"""
table => [...table.querySelectorAll(':scope > tbody > tr:not(.more-row)')].map(
    row => {
        const result = {};
        for (const cell of row.querySelectorAll(':scope > td[data-title]')) {
            if (!cell.getClientRects().length) {
                continue;
            }
            const title = cell.dataset.title.replace(/\s*:\s*$/, '');
            const control = cell.querySelector(
                '.widget-editable input, .widget-editable select');
            const box = cell.querySelector('input[type=checkbox]');
            if (box) {
                result[title] = box.checked;
            } else if (control && control.getClientRects().length) {
                result[title] = control.tagName == 'SELECT' ?
                    control.selectedOptions[0]?.textContent : control.value;
            } else {
                result[title] = cell.innerText.trim().replace(/\s+/g, ' ');
            }
        }
        return result;
    })
"""
