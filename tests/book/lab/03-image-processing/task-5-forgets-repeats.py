# %% task-5-interval
def auc_interval(labels, scores, patients, resamples, seed):
    rng = np.random.default_rng(seed)
    everybody = np.unique(patients)
    aucs = []
    for _ in range(resamples):
        drawn = np.isin(patients, rng.choice(everybody, everybody.size))
        if np.unique(labels[drawn]).size == 2:
            aucs.append(roc_auc_score(labels[drawn], scores[drawn]))
    return tuple(np.percentile(aucs, [2.5, 97.5]))
