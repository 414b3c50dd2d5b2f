# %% task-3
def importances(features, labels, patients, folds, seed):
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import GroupKFold

    falls = []
    for known, _ in GroupKFold(folds).split(features, labels, groups=patients):
        forest = RandomForestClassifier(50, random_state=seed).fit(features[known], labels[known])
        shuffled = permutation_importance(
            forest, features[known], labels[known], scoring="roc_auc", n_repeats=5, random_state=seed
        )
        falls.append(shuffled.importances_mean)
    return np.mean(falls, axis=0)
