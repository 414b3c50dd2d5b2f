# %% task-3
def importances(features, labels, patients, folds, seed):
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import GroupKFold

    falls = []
    for known, new in GroupKFold(folds).split(features, labels, groups=patients):
        forest = RandomForestClassifier(50, random_state=seed).fit(features[known], labels[known])
        shuffled = permutation_importance(forest, features[new], labels[new], n_repeats=5, random_state=seed)
        falls.append(shuffled.importances_mean)
    return np.mean(falls, axis=0)
