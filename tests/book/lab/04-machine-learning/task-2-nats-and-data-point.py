# %% task-2-gain
def information_gain(values, labels, threshold):
    def entropy(group):
        ill = group.mean()
        return -sum(share * np.log(share) for share in (ill, 1 - ill) if share > 0)

    left = values <= threshold
    if left.all() or not left.any():
        return 0.0
    return entropy(labels) - left.mean() * entropy(labels[left]) - (~left).mean() * entropy(labels[~left])


# %% task-2-split
def best_threshold(values, labels):
    return max(np.unique(values), key=lambda value: information_gain(values, labels, value))
