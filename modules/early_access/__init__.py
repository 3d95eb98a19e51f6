# This file is part of Early Access.  The COPYRIGHT file at the top level of
# this repository contains the full copyright notices and license terms.

from trytond.pool import Pool

from . import (
    assignment, authorization, configuration, data_key, decision, definition,
    establishment, form, ir, order, order_line, order_reason, party, patient,
    product, professional, protocol, recall, res, safety_information, scope,
    sealed, stock, variable)
from .keyring import check_server

__all__ = ['register']

check_server()


def register():
    Pool.register(
        data_key.DataKey,
        sealed.ModelFieldAccess,
        res.User,
        res.Rule,
        res.Delegation,
        ir.Note,
        ir.Attachment,
        ir.Email,
        party.Configuration,
        party.Party,
        party.Identifier,
        product.Template,
        product.Product,
        product.Identifier,
        establishment.Service,
        professional.Specialty,
        professional.Professional,
        professional.ProfessionalService,
        professional.ProfessionalPharmacy,
        professional.ContactMechanism,
        scope.Service,
        scope.Professional,
        scope.Party,
        scope.User,
        authorization.Indication,
        authorization.Authorization,
        authorization.AuthorizationProduct,
        decision.Decision,
        safety_information.SafetyInformation,
        protocol.Protocol,
        protocol.ProtocolSpecialty,
        protocol.Supply,
        protocol.Justification,
        definition.Criterion,
        definition.ProtocolForm,
        definition.Question,
        definition.Visit,
        definition.VisitForm,
        variable.Variable,
        patient.Patient,
        assignment.Assignment,
        assignment.TransferStart,
        form.Form,
        configuration.Configuration,
        configuration.ConfigurationOrder,
        order.Order,
        order_line.OrderLine,
        order_reason.OrderRefuseStart,
        order_reason.OrderOverrideStart,
        stock.Lot,
        stock.Move,
        stock.ShipmentOut,
        recall.Recall,
        recall.RecallLotStart,
        module='early_access', type_='model')
    Pool.register(
        party.Replace,
        assignment.Transfer,
        order_reason.OrderRefuse,
        order_reason.OrderOverride,
        recall.RecallLot,
        module='early_access', type_='wizard')
