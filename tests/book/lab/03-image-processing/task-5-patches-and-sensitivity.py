# %% task-5-interval
def auc_interval(labels, scores, patients, resamples, seed):
    rng = np.random.default_rng(seed)
    draws = [rng.integers(labels.size, size=labels.size) for _ in range(resamples)]
    return tuple(np.percentile([roc_auc_score(labels[d], scores[d]) for d in draws], [2.5, 97.5]))


# %% task-5-value
def predictive_value(sensitivity, specificity, prevalence):
    return sensitivity
