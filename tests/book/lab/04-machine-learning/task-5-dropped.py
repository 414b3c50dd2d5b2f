# %% task-5-survival
def survival(days, died, at):
    return np.mean(days[died == 1] > at)


# %% task-5-index
def c_index(days, died, risk):
    days, risk = days[died == 1], risk[died == 1]
    pairs = [(i, j) for i in range(days.size) for j in range(days.size) if days[i] < days[j]]
    return np.mean([(risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]) for i, j in pairs])
