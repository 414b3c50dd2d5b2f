# %% task-4
def compare(labels, first, second, patients, resamples, seed):
    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(resamples):
        drawn = rng.integers(labels.size, size=labels.size)
        differences.append(roc_auc_score(labels[drawn], first[drawn]) - roc_auc_score(labels[drawn], second[drawn]))
    low, high = np.percentile(differences, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "undecided"
