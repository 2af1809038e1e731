"""Which attributes hold values that identify a person, apart from every Person Name (PN)."""

from __future__ import annotations

IDENTIFYING = frozenset(
    {
        "AccessionNumber",
        "AddressTrial",
        "AdmissionID",
        "ClinicalTrialSubjectID",
        "ClinicalTrialSubjectReadingID",
        "DistributionAddress",
        "FillerOrderNumberImagingServiceRequest",
        "InstitutionAddress",
        "InsurancePlanIdentification",
        "InterpretationID",
        "MedicalRecordLocator",
        "NameToUse",
        "CameraOwnerName",
        "OrderCallbackPhoneNumber",
        "OrderCallbackTelecomInformation",
        "OtherPatientIDs",
        "PatientAddress",
        "PatientBirthDate",
        "PatientID",
        "PatientTelecomInformation",
        "PatientTelephoneNumbers",
        "PerformedProcedureStepID",
        "PersonAddress",
        "PersonTelecomInformation",
        "PersonTelephoneNumbers",
        "PlacerOrderNumberImagingServiceRequest",
        "ReferringPhysicianAddress",
        "ReferringPhysicianTelephoneNumbers",
        "RequestedProcedureID",
        "ResultsID",
        "ScheduledProcedureStepID",
        "ServiceEpisodeID",
        "SpecimenAccessionNumber",
        "StudyID",
        "TelephoneNumberTrial",
        "TopicAuthor",
    }
)
"""Ids of patients, visits, orders and studies, addresses, telephone numbers, the birth date."""

DESCRIBING = frozenset(
    {
        "DeviceSerialNumber",
        "GantryID",
        "InstitutionName",
        "InstitutionalDepartmentName",
        "PerformedLocation",
        "PerformedStationName",
        "RequestedProcedureLocation",
        "RequestingService",
        "ResponsibleOrganization",
        "ScheduledStationName",
        "StationName",
        "CurrentPatientLocation",
        "PatientInstitutionResidence",
        "CountryOfResidence",
        "RegionOfResidence",
        "MilitaryRank",
        "HumanPerformerOrganization",
        "ScheduledProcedureStepLocation",
    }
)
"""Places and devices: no needles for :mod:`verify`, but never left in a text that is cleaned."""
