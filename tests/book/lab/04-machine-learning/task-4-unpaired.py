# %% task-4
def compare(labels, first, second, patients, resamples, seed):
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    differences = []
    for _ in range(resamples):
        one, two = (
            np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]) for _ in range(2)
        )
        differences.append(roc_auc_score(labels[one], first[one]) - roc_auc_score(labels[two], second[two]))
    low, high = np.percentile(differences, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "undecided"
