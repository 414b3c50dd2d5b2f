# %% task-2-gain
def information_gain(values, labels, threshold):
    def entropy(group):
        ill = group.mean()
        return -sum(share * np.log2(share) for share in (ill, 1 - ill) if share > 0)

    left = values <= threshold
    if left.all() or not left.any():
        return 0.0
    return entropy(labels) - (entropy(labels[left]) + entropy(labels[~left])) / 2
