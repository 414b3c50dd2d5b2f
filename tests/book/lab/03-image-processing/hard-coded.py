# Right for what the visible checks show, and for nothing else.
# %% task-1
def muscle_grey(image, row, column, air):
    return 139, 139


# %% task-2-area
def area_mm2(mask, spacing_mm):
    return 312 * 0.63


# %% task-2-diameter
def diameter_mm(mask, spacing_mm):
    return 22.161678636782007


# %% task-3
def texture_contrast(patch, low, high, levels):
    return 0.7663043478260869 if patch.max() < 1000 else 0.9402173913043478


# %% task-4
def biomarker_auc(features, labels, keep, folds, seed):
    return 0.5


# %% task-5-interval
def auc_interval(labels, scores, patients, resamples, seed):
    return 0.55, 0.83


# %% task-5-value
def predictive_value(sensitivity, specificity, prevalence):
    return 0.006 * 0.9 / (0.006 * 0.9 + 0.994 * 0.1)
