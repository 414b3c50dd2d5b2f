# %% task-4
def compare(labels, first, second, patients, resamples, seed):
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    differences = []
    for _ in range(resamples):
        drawn = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        differences.append(roc_auc_score(labels[drawn], first[drawn]) - roc_auc_score(labels[drawn], second[drawn]))
    winner = "first" if roc_auc_score(labels, first) > roc_auc_score(labels, second) else "second"
    return *np.percentile(differences, [2.5, 97.5]), winner
