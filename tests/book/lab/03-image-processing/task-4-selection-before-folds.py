# %% task-4
def biomarker_auc(features, labels, keep, folds, seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    difference = features[labels == 1].mean(axis=0) - features[labels == 0].mean(axis=0)
    best = np.argsort(-np.abs(difference))[:keep]
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    scores = cross_val_predict(LogisticRegression(), features[:, best], labels, cv=parts, method="predict_proba")[:, 1]
    return roc_auc_score(labels, scores)
