"""What a table of diagnoses looks like: shared by whoever writes, trains on and predicts from it."""

SAMPLE = "sample_id"
DIAGNOSIS = "diagnosis"

BENIGN = "benign"
MALIGNANT = "malignant"
LABELS = (BENIGN, MALIGNANT)
POSITIVE = MALIGNANT

_MEASURES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)

FEATURES = tuple(f"{statistic}_{measure}" for statistic in ("mean", "error", "worst") for measure in _MEASURES)
"""Mean, standard error and mean of the three largest, over the nuclei of one image; in scikit-learn's order."""
