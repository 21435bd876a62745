"""The tables of collection."""

from collection.models.analysis import CurveVersion as CurveVersion
from collection.models.analysis import Report as Report
from collection.models.analysis import ReportChart as ReportChart
from collection.models.analysis import ReportDocument as ReportDocument
from collection.models.analysis import ReportPart as ReportPart
from collection.models.analysis import ReportSection as ReportSection
from collection.models.analysis import RoundScore as RoundScore
from collection.models.exchange import ImportedWriter as ImportedWriter
from collection.models.exchange import Release as Release
from collection.models.studies import Arm as Arm
from collection.models.studies import Assignment as Assignment
from collection.models.studies import Attempt as Attempt
from collection.models.studies import Context as Context
from collection.models.studies import ContextDraw as ContextDraw
from collection.models.studies import ContextFlag as ContextFlag
from collection.models.studies import Draft as Draft
from collection.models.studies import Evaluation as Evaluation
from collection.models.studies import Example as Example
from collection.models.studies import Experiment as Experiment
from collection.models.studies import PendingUpload as PendingUpload
from collection.models.studies import Round as Round
from collection.models.studies import SandboxUse as SandboxUse
from collection.models.studies import Task as Task
from collection.models.studies import TestItem as TestItem
from collection.models.studies import TestSet as TestSet
from collection.models.studies import Validation as Validation
