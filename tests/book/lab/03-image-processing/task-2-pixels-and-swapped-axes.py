# %% task-2-area
def area_mm2(mask, spacing_mm):
    return mask.sum()


# %% task-2-diameter
def diameter_mm(mask, spacing_mm):
    rows, columns = np.nonzero(mask)
    x, y = rows * spacing_mm[1], columns * spacing_mm[0]
    return np.hypot(x[:, None] - x, y[:, None] - y).max()
