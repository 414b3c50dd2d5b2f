# %% task-4
def compare(labels, first, second, patients, resamples, seed):
    rng = np.random.default_rng(seed)
    everybody = np.unique(patients)
    differences = []
    for _ in range(resamples):
        drawn = np.isin(patients, rng.choice(everybody, everybody.size))
        if np.unique(labels[drawn]).size == 2:
            differences.append(roc_auc_score(labels[drawn], first[drawn]) - roc_auc_score(labels[drawn], second[drawn]))
    low, high = np.percentile(differences, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "undecided"
