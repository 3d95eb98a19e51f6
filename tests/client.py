# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"The browser client of Tryton, used through what it shows."
import datetime as dt
import itertools
import re
from contextlib import contextmanager

import client_scripts as scripts
from harness import PASSWORD

__all__ = ['Client', 'UnexpectedMessage']

_counter = itertools.count(1)


class UnexpectedMessage(AssertionError):
    "The client shows a message that the test did not expect."


class Client:
    """The browser client, used through what it shows.

    A field is given by its name in the model or by its label, a button by its
    label, and a row by texts that its cells hold.  Everything is looked up in
    the dialog on top, or else in the current tab.

    Each action waits for the server and for the screen.  A message that no
    :meth:`message` expects, be it a refusal of the server or an invalid form,
    raises :class:`UnexpectedMessage`.
    """

    def __init__(self, page, address, database, screenshots):
        self.page = page
        self.address = address
        self.database = database
        self.screenshots = screenshots
        self.errors = []
        self._expected = []
        page.set_default_timeout(60_000)
        page.add_init_script(scripts.COUNT_REQUESTS)
        page.on('pageerror', lambda error: self.errors.append(
                error.stack or str(error)))
        # The client asks whether to leave when a tab is open
        page.on('dialog', lambda dialog: dialog.accept())

    def login(self, login, password=PASSWORD, code=None, charter=None):
        """Open the client and log in.

        :param code: the second factor, where the server asks it.
        :param charter: the button to press under the charter, where the
            server shows it.
        """
        self.start_login(login)
        self._ask(password)
        if code is not None:
            self._ask(code)
        if charter is not None:
            self.page.locator('.wizard-dialog').wait_for()
            self.wait()
            self.click(charter)
        self.page.locator('#menu tbody tr').first.wait_for()
        self.wait()

    def start_login(self, login):
        "Open the client and give the login."
        self.page.goto(f'{self.address}#{self.database}')
        # Without transitions a dialog is either there or not
        self.page.evaluate(scripts.END_TRANSITIONS)
        dialog = self.page.locator('.login-dialog')
        database = dialog.locator('#database:visible')
        database.wait_for()
        if database.evaluate('e => e.tagName') == 'SELECT':
            database.select_option(self.database)
        dialog.locator('#login').fill(login)
        dialog.locator('button[type=submit]').click()

    def _ask(self, answer):
        dialog = self.page.locator('.ask-dialog').last
        dialog.locator('#ask-dialog-entry').fill(answer)
        dialog.locator('.btn-primary').click()

    def logout(self):
        "Close the tabs and log out."
        while self.page.locator('#tablist > li').count():
            self.close_tab()
        errors = self.errors.copy()
        self.page.evaluate('Sao.logout()')
        self.page.locator('.login-dialog').wait_for()
        # The client trips over the session that it has just left
        self.errors[:] = errors

    def wait(self):
        "Wait until the client has nothing more to do."
        answered = False
        while True:
            self.page.evaluate('window.__quiet()')
            dialog = self.page.locator(scripts.MESSAGES).last
            invalid = self.scope.locator(scripts.INVALID).last
            if dialog.is_visible():
                expected = self._expect(
                    dialog.locator('.modal-body').inner_text())
                self._answer(dialog, expected.answer)
                answered = True
            elif invalid.is_visible():
                # After a refusal the bar only says that nothing was done
                if not answered:
                    self._expect(invalid.inner_text())
                # Once closed the client would not show the same text again
                invalid.evaluate("e => e.parentElement.dataset.seen = ''")
            else:
                break

    def _expect(self, text):
        if not self._expected:
            raise UnexpectedMessage(text.strip())
        expected = self._expected.pop(0)
        expected.text = text.strip()
        return expected

    def _answer(self, dialog, answer):
        buttons = dialog.locator('.modal-footer button')
        answers = buttons.all_text_contents()
        answer = self.gettext(answer)
        if answer not in answers:
            raise AssertionError(
                f"There is no answer {answer!r} among {answers}")
        buttons.nth(answers.index(answer)).click()

    @contextmanager
    def message(self, answer="OK"):
        """Expect one message and give it the answer.

        It is an error, a warning, a question, a piece of information or what
        is not valid in the form.  The answer is the English label of one of
        its buttons: OK, Yes, No, Cancel or Close.  The text is in the
        attribute text of what the with statement returns::

            with client.message() as message:
                client.click("Approve")
            self.assertIn("EA-0001", message.text)

        Messages that follow one another are expected in their order::

            with client.message() as question, client.message() as refusal:
                client.tool('delete')
        """
        expected = _Expected(answer)
        self._expected.append(expected)
        try:
            yield expected
            self.wait()
        finally:
            if expected in self._expected:
                self._expected.remove(expected)
        if expected.text is None:
            raise AssertionError("No message was shown")

    def gettext(self, text):
        "Return the text of the client in the language of the user."
        return self.page.evaluate('text => Sao.i18n.gettext(text)', text)

    @property
    def scope(self):
        "The dialog on top or else the current tab."
        dialogs = self.page.locator('.modal.in:visible')
        if dialogs.count():
            return dialogs.last
        return self.page.locator('#tabcontent > .tab-pane.active')

    # Menu and tabs

    def menu(self, *labels):
        "Open the menu item that is reached through the labels."
        *folders, label = labels
        before = self.page.locator('#tablist > li').count()
        rows = self._menu_rows(folders)
        self._menu_row(rows, label).locator('.column-char').click()
        self.wait()
        if self.page.locator('#tablist > li').count() == before:
            self.page.locator('#tablist > li.active').wait_for()
        self.wait()

    def menu_items(self, *folders):
        "Return the labels of the menu items in the folder."
        return [label for label, _ in self._menu_rows(folders)]

    def _menu_rows(self, folders):
        depth = 0
        rows = self._menu_level(0, None)
        for depth, folder in enumerate(folders, 1):
            row = self._menu_row(rows, folder)
            if not self._menu_level(depth, row):
                row.locator('.expander img').click()
                self.wait()
            rows = self._menu_level(depth, row)
        return rows

    def _menu_level(self, depth, parent):
        "Return the label and the row of each item under the parent"
        rows = self.page.locator('#menu tbody tr')
        depths = rows.evaluate_all(scripts.MENU_DEPTHS)
        labels = rows.evaluate_all(
            "rows => rows.map("
            "r => r.querySelector('.column-char').textContent.trim())")
        start = 0
        if parent is not None:
            start = parent.evaluate('r => r.sectionRowIndex') + 1
        result = []
        for i in range(start, len(depths)):
            if depths[i] < depth:
                break
            if depths[i] == depth:
                result.append((labels[i], rows.nth(i)))
        return result

    def _menu_row(self, rows, label):
        for text, row in rows:
            if text == label:
                return row
        raise AssertionError(
            f"The menu has no {label!r} among {[t for t, _ in rows]}")

    def title(self):
        "Return the name of the current tab."
        return self.page.locator('#tablist > li.active').get_by_role(
            'tab').locator('span[title]').get_attribute('title')

    def close_tab(self):
        "Close the current tab."
        self.page.locator('#tablist > li.active button.close').click()
        self.wait()

    def tool(self, name):
        """Press a button of the toolbar.

        It is new, save, reload, switch, previous, next, copy, delete, search,
        attach, note, logs, export, import...: the name without what the
        client adds to it.
        """
        identifier = {
            'new': 'new_', 'switch': 'switch_', 'delete': 'delete_',
            }.get(name, name)
        button = self.scope.locator(
            f'.btn-toolbar button#{identifier}:visible')
        if not button.count():
            self.scope.locator('.toolbar .navbar-brand').click()
            button = self.scope.locator(
                f'.toolbar ul[role=menu] a#{identifier}').first
        button.click()
        self.wait()

    def new(self):
        "Start a new record."
        self.tool('new')

    def save(self):
        "Save the record."
        self.tool('save')

    def launch(self, menu, label):
        "Choose an entry of the menus 'action', 'relate' or 'print'."
        scope = self.scope
        scope.locator(f'.btn-toolbar button#{menu}').click()
        self.wait()
        scope.locator(f'ul[aria-labelledby={menu}]').get_by_text(
            label, exact=True).click()
        self.wait()

    # Lists

    def tabs(self):
        """Return the counts of the tabs above a list by their labels.

        The count is a text, and empty where the tab has no count.
        """
        return dict(self.scope.locator('.tab-domain li a').evaluate_all("""
                tabs => tabs.map(tab => [
                    tab.firstChild.textContent.trim(),
                    tab.querySelector('.badge').textContent.trim()])"""))

    def tab(self, label):
        "Choose the tab above a list."
        tabs = self.scope.locator('.tab-domain li a')
        labels = list(self.tabs())
        if label not in labels:
            raise AssertionError(f"There is no tab {label!r} among {labels}")
        tabs.nth(labels.index(label)).click()
        self.wait()

    def search(self, text):
        "Filter the list."
        entry = self.scope.locator('.filter-box input').first
        entry.fill(text)
        entry.press('Enter')
        self.wait()

    def rows(self, field=None):
        """Return the rows of the list, or of the field that shows a list.

        Each is a dictionary of the texts by the titles of the columns; the
        state of a check box is a boolean.  The client shows 20 rows before it
        is asked for more.
        """
        return self._table(field).evaluate(scripts.READ_ROWS)

    def row(self, *texts, field=None):
        "Return the only row of which the cells hold all the texts."
        rows = self._rows(field)
        for text in texts:
            rows = rows.filter(has_text=text)
        if rows.count() != 1:
            raise AssertionError(
                f"{rows.count()} rows hold {texts} among {self.rows(field)}")
        return rows.first

    def _table(self, field):
        scope = self.scope
        if field is not None:
            scope = self._control(field, panel=True)
        return scope.locator('table.tree:visible').first

    def _rows(self, field):
        return self._table(field).locator('> tbody > tr:not(.more-row)')

    def select(self, *texts, field=None):
        "Check the box of the row that holds the texts."
        row = self.row(*texts, field=field)
        row.locator('.selection-state input').check()
        # The client shows the buttons of the selection after a delay
        self.page.wait_for_timeout(300)
        self.wait()

    def open(self, *texts, field=None):
        "Open the row that holds the texts."
        row = self.row(*texts, field=field)
        cells = row.locator('td[data-title]:visible')
        # A link would open what it names
        plain = cells.filter(has_not=self.page.locator('a'))
        (plain if plain.count() else cells).first.dblclick()
        self.wait()

    def edit(self, *texts, field=None):
        """Edit the row that holds the texts where it is.

        Return it to give to `within`.
        """
        row = self.row(*texts, field=field)
        for _ in range(2):
            if not row.locator('.widget-editable:visible').count():
                row.locator('td.editable:visible').first.click()
                self.wait()
        return row

    def add(self, field):
        """Add a record to the field.

        Return its row, to give to `within`, when the list is edited in place;
        otherwise a dialog shows its form.
        """
        panel = self._control(field, panel=True)
        panel.locator(
            f'button[title="{self.gettext("New")}"]:visible').first.click()
        self.wait()
        rows = panel.locator('tr:has(.widget-editable:visible)')
        return rows.last if rows.count() else None

    # Forms

    def show_page(self, label):
        "Choose the page of a notebook."
        self.scope.locator('.form-notebook > .nav-tabs:visible').get_by_text(
            label, exact=True).click()
        self.wait()

    def fill(self, field, value, within=None):
        """Fill the field of the form as if it was typed.

        The value of a selection is its label, of a relation the record name,
        or a part that one record only has; of a date a date, and of a
        selection of several a list of labels.  None empties the field.

        `within` is the row to fill when a list is edited in place, or the
        field that shows a form of its own.
        """
        control = self._control(field, within)
        kind = control.evaluate(scripts.KIND)
        getattr(self, f'_fill_{kind}')(control, value)
        self.wait()

    def _fill_select(self, control, value):
        if isinstance(value, (list, tuple)):
            control.select_option(label=list(value))
        else:
            control.select_option(label=value or '')

    def _fill_checkbox(self, control, value):
        control.set_checked(value)

    def _fill_relation(self, control, value):
        if control.input_value():
            control.press('Control+A')
            control.press('Delete')
            self.wait()
        if value is None:
            return
        control.click()
        control.fill(value)
        group = control.locator('xpath=ancestor-or-self::*'
            '[contains(concat(" ", @class, " "), " dropdown ")][1]')
        entries = group.locator('li.completion')
        try:
            entries.first.wait_for(timeout=5_000)
        except Exception:
            raise AssertionError(f"Nothing completes {value!r}") from None
        self.wait()
        exact = entries.get_by_text(value, exact=True)
        if exact.count():
            entries = exact
        # The last entry may propose to create
        records = entries.filter(
            has_not_text=re.compile(r'^(Create|Créer) '))
        if records.count() != 1:
            raise AssertionError(
                f"{records.all_inner_texts()} complete {value!r}")
        records.first.click()

    def _fill_number(self, control, value):
        # The text shown is replaced by a number field that has the focus
        control.focus()
        self.page.wait_for_timeout(50)
        focused = self.page.locator(':focus')
        focused.fill('' if value is None else str(value))
        focused.press('Tab')

    def _fill_date(self, control, value):
        if isinstance(value, dt.date):
            value = self.page.evaluate(
                """([year, month, day]) => Sao.common.format_date(
                    Sao.common.date_format(
                        Sao.Session.current_session.context.date_format),
                    Sao.Date(year, month - 1, day))""",
                [value.year, value.month, value.day])
        self._fill_text(control, value)

    def _fill_text(self, control, value):
        control.click()
        control.fill('' if value is None else str(value))
        # A key tells the client that the record is modified
        control.press('End')
        control.press('Tab')

    def value(self, field, within=None):
        """Return what the field shows.

        It is a text, the label of a selection, a list of labels, or the
        state of a check box.
        """
        return self._control(field, within).evaluate(scripts.READ)

    def options(self, field, within=None):
        "Return the labels that the selection offers."
        return [o for o in self._control(field, within).locator(
                'option').all_inner_texts() if o]

    def shows(self, field):
        "Return whether the field is visible."
        return self._find(field) is not None

    def is_readonly(self, field, within=None):
        "Return whether the field cannot be changed."
        return self._control(field, within).evaluate(
            'e => Boolean(e.readOnly || e.disabled)')

    def _control(self, field, within=None, panel=False):
        for _ in range(20):
            if (control := self._find(field, within, panel)) is not None:
                return control
            self.page.wait_for_timeout(100)
        labels = self.scope.locator('label:visible').all_inner_texts()
        raise AssertionError(f"There is no field {field!r} among {labels}")

    def _find(self, field, within=None, panel=False):
        if isinstance(within, str):
            within = self._control(within, panel=True)
        scope = (within or self.scope).element_handle()
        handle = self.page.evaluate_handle(scripts.FIND, [scope, field, panel])
        element = handle.as_element()
        if element is None:
            return None
        # A locator is found again where the client draws a new element
        mark = f'c{next(_counter)}'
        element.evaluate('(e, mark) => e.dataset.test = mark', mark)
        return self.page.locator(f'[data-test={mark}]')

    # Buttons

    def buttons(self):
        "Return the labels of the buttons that can be pressed."
        # The style shows some in capitals
        return [t.strip() for t in self._buttons().all_text_contents()]

    def has_button(self, label):
        "Return whether there is such a button to press."
        return label in self.buttons()

    def click(self, label, within=None):
        "Press the button, of the row when it is given."
        scope = within or self.scope
        button = self._buttons(scope).filter(has_text=re.compile(
                rf'^\s*{re.escape(label)}\s*\d*\s*$'))
        if not button.count():
            raise AssertionError(
                f"There is no button {label!r} among {self.buttons()}")
        button.first.click()
        self.wait()

    def _buttons(self, scope=None):
        # The toolbar has only icons
        return (scope or self.scope).locator(
            'button.btn:visible:enabled').filter(has_text=re.compile(r'\w'))

    def screenshot(self, name):
        "Save what is shown and return the path of the image."
        self.screenshots.mkdir(parents=True, exist_ok=True)
        path = self.screenshots / f'{name}.png'
        self.page.screenshot(path=path)
        return path


class _Expected:

    def __init__(self, answer):
        self.answer = answer
        self.text = None
