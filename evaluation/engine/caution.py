"""When an interval is likely to be too narrow: a code beside it, decided by what the coverage study saw (`docs/statistics/coverage.md`).

A method whose nominal 95 % held the truth in fewer than 93 % of simulated sets carries a code where that was so. The code says why; it never says that the number
is wrong.
"""

from typing import Literal

Caution = Literal["few_positives", "few_errors", "few_clusters", "few_cases", "too_high", "approximate"]

LEAST_CLUSTERS = 30  # 20 clusters held 90 to 93 %, 60 clusters 95 %
LEAST_FOR_AREAS = 30  # DeLong without a score interval held 91 to 93 % with 20 positives
LEAST_CLUSTERS_FOR_PRECISION = 100  # 92 and 93 % with 20 and 60 clusters
LEAST_FOR_PRECISION = (
    100  # of a class of several and averaged over classes, which are not drawn: 90 to 92 % with 10 to 60 positives; drawn 93 % and more
)
LEAST_FOR_MCC = 20  # over all of several classes or with clusters, where it is bootstrapped: of two models with ten positives 88 %
LEAST_ERRORS = 10  # with clusters, where it is bootstrapped: balanced accuracy held 92 % where three cases in 200 were wrong
LEAST_ERRORS_FOR_LOSS = 30  # losses held 80 to 92 % with up to 25 wrong cases: rare large losses are not seen yet
LEAST_FOR_MEANS = 50  # errors with long tails held 80 to 90 % with 30 cases
LEAST_FOR_SQUARES = 1000  # differences of RMSE and R² held 89 % with 100 cases and 92 % with 400

SHARES = {"accuracy", "micro_f1", "sensitivity", "specificity", "ppv", "npv", "false_positive_rate", "false_negative_rate"}
SHARES |= {"top_2_accuracy", "top_5_accuracy"}  # Wilson and what is joined of it hold everywhere
AREAS = {"partial_roc_auc", "macro_roc_auc"}
PRECISIONS = {"average_precision", "macro_average_precision"}
LOSSES = {"brier", "log_loss"}
ERRORS = {"balanced_accuracy", "macro_sensitivity"}
OVERALL_MCC = "mcc of all classes"
LEAST_POSITIVES = {**dict.fromkeys(AREAS, LEAST_FOR_AREAS), **dict.fromkeys(PRECISIONS, LEAST_FOR_PRECISION), OVERALL_MCC: LEAST_FOR_MCC}
BINNED = {"ece", "ece_debiased"}  # sums of absolute values: what scatters adds up


def caution(metric: str, *, smallest: int, errors: int, clusters: int | None) -> Caution | None:
    """Of a classification metric by its name without the class.

    `smallest`: cases of the smallest class that it stands on; `errors`: cases that the model has wrong; `clusters`: None where every case stands alone.
    """
    if metric in SHARES:
        return None
    if metric in BINNED:
        return "too_high"
    if clusters is not None and clusters < (LEAST_CLUSTERS_FOR_PRECISION if metric in PRECISIONS else LEAST_CLUSTERS):
        return "few_clusters"
    if (clusters is not None and metric in ERRORS and errors < LEAST_ERRORS) or (metric in LOSSES and errors < LEAST_ERRORS_FOR_LOSS):
        return "few_errors"
    if metric == "mcc" and clusters is not None:
        metric = OVERALL_MCC
    return "few_positives" if smallest < LEAST_POSITIVES.get(metric, 0) else None


def mean_caution(metric: str, *, cases: int, clusters: int | None) -> Caution | None:
    """Of a metric that is a function of means over cases (regression, several labels)."""
    if clusters is not None and clusters < LEAST_CLUSTERS:
        return "few_clusters"
    least = LEAST_FOR_SQUARES if metric in {"rmse", "r2"} else LEAST_FOR_MEANS
    return "few_cases" if cases < least else None
