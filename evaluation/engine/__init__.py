"""Evaluation of models on labelled cases: every number with its interval, stratum by stratum, candidate against baseline.

A library of its own: numpy and scipy, arrays in and plain values out, no framework. What a user imports is named here; `docs/statistics`
says what each number means, and shows an example that runs as a test.

    task = Task(("normal", "nodule"), positive=1)
    found = comparison_of(task, truth, [arm(task, n, labels, scores)], [arm(task, n, old_labels, old_scores)], clusters=patients)
    made = report(found, [Grouping(["site=a", "site=b"], site)], seed=seed_from(manifest_digest, prediction_digests))

Bad input raises `BadInput`, which names the row; what does not exist is None with a reason.

What is named here is about classification, policies and runs. Other parts are imported from where they are:

    regression, multilabel        regression_report, multilabel_report with answers
    detection.data                scene, objects, predictions, Detection; detection.report: detection_report; detection.gather
    autopsy.outputs, .inputs      output_autopsy, input_autopsy, fault_behind; detection.autopsy for boxes
    stress.plan, .evaluate        Plan, outcomes, stress_report; stress.contrast: contrast_entry; perturb_image, perturb_text, perturb_record
                                  in stress.images (which needs Pillow), stress.text, stress.records
    drift.features, .twosample    feature_drift, classifier_test, mmd; drift.labelshift: label_shift, estimated_accuracy
    ood, control                  fit, refusal_figures; design, observe, replay
    determinism, integration      determinism, compare_answers
"""

from evaluation.engine.across import Overlap, Spread, overlap, spread, variance_of
from evaluation.engine.arrays import BadInput
from evaluation.engine.calibration import Line, equal_mass, reliability, reliability_line
from evaluation.engine.compare import mcnemar, newcombe, sign_flip, tango, tango_bound
from evaluation.engine.data import Arm, Comparison, Task, arm
from evaluation.engine.estimates import Settings
from evaluation.engine.fragility import fragility
from evaluation.engine.gates import Check, judge
from evaluation.engine.gather import gather
from evaluation.engine.intervals import clopper_pearson, clustered_share, exact_lower, exact_upper, wilson
from evaluation.engine.metrics import Metric, metric_of, registry
from evaluation.engine.multilabel import answers, multilabel_report
from evaluation.engine.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm
from evaluation.engine.plain_auc import delong
from evaluation.engine.points import values
from evaluation.engine.power import detectable_loss, floor_cases, non_inferiority_cases
from evaluation.engine.probabilities import Bins, equal_width
from evaluation.engine.production import PredictiveValues, Weighted, WeightedMean, hajek, post_stratified, predictive_values, share_variance
from evaluation.engine.regression import regression_report
from evaluation.engine.report import comparison_of, report
from evaluation.engine.seeds import seed_from
from evaluation.engine.simulate import Scenario, population, simulate
from evaluation.engine.slices import Attribute, find_slices
from evaluation.engine.square_and_add import square_and_add
from evaluation.engine.strata import Grouping, Strata, Stratum
from evaluation.engine.wear import fresh_gap, widening
from evaluation.engine.weighting import weighted_entries

__all__ = [
    "Arm",
    "Attribute",
    "BadInput",
    "Bins",
    "Check",
    "Comparison",
    "Grouping",
    "Line",
    "Metric",
    "Overlap",
    "PredictiveValues",
    "Scenario",
    "Settings",
    "Spread",
    "Strata",
    "Stratum",
    "Task",
    "Weighted",
    "WeightedMean",
    "answers",
    "arm",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "clopper_pearson",
    "clustered_share",
    "comparison_of",
    "delong",
    "detectable_loss",
    "equal_mass",
    "equal_width",
    "exact_lower",
    "exact_upper",
    "find_slices",
    "floor_cases",
    "fragility",
    "fresh_gap",
    "gather",
    "hajek",
    "holm",
    "judge",
    "mcnemar",
    "metric_of",
    "multilabel_report",
    "newcombe",
    "non_inferiority_cases",
    "overlap",
    "population",
    "post_stratified",
    "predictive_values",
    "registry",
    "regression_report",
    "reliability",
    "reliability_line",
    "report",
    "seed_from",
    "share_variance",
    "sign_flip",
    "simulate",
    "spread",
    "square_and_add",
    "tango",
    "tango_bound",
    "values",
    "variance_of",
    "weighted_entries",
    "widening",
    "wilson",
]
