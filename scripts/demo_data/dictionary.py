# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.
"""A protocol written in a spreadsheet, as a data dictionary.

An import gives the texts in the language of the user: a second file, with the
same names and codes, has those in French.
"""
import csv
from pathlib import Path


def enter(session, protocol, name):
    "Import the dictionary and return the forms by kind."
    file = Path(__file__).with_name(f'{name}.csv')
    wizard = session.wizard(
        'early_access.protocol.import_dictionary', [protocol])
    wizard.form.file = file.read_bytes()
    wizard.execute('report')
    if wizard.form.blocked or wizard.form.conditions:
        raise ValueError(wizard.form.report)
    wizard.execute('import_')
    Form = session.model('early_access.protocol.form')
    forms = Form.find(
        [('protocol', '=', protocol.id)], order=[('sequence', 'ASC')])
    translate(session, protocol, forms, file.with_name(f'{name}_fr.csv'))
    return {f.kind: f for f in forms}


def translate(session, protocol, forms, file):
    "Write the texts in French."
    with open(file, encoding='utf-8', newline='') as fp:
        rows = list(csv.DictReader(fp))
    Variable = session.model('early_access.variable')
    variables = {
        v.code: v for v in Variable.find([('protocol', '=', protocol.id)])}
    session.translate(
        [variables[r['Variable / Field Name']] for r in rows], texts(rows))
    # They were created in the order in which the dictionary names them
    names = dict.fromkeys(r['Form Name'] for r in rows)
    session.translate(forms, [{'name': n} for n in names])


def texts(rows):
    "Return the texts of the variables: a section holds until the next one."
    result, section = [], None
    for row in rows:
        section = row['Section Header'] or section
        values = {'section': section, 'string': row['Field Label']}
        if choices := row['Choices, Calculations, OR Slider Labels']:
            values['selection'] = '\n'.join(
                choice.strip().replace(',', ':', 1)
                for choice in choices.split('|'))
        result.append(values)
    return result
