# %% task-2-area
def area_mm2(mask, spacing_mm):
    return mask.sum() * spacing_mm[0] ** 2
