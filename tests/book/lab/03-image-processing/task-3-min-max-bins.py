# %% task-3
def texture_contrast(patch, low, high, levels):
    scaled = (patch - patch.min()) / (patch.max() - patch.min())
    bins = np.round(scaled * (levels - 1)).astype(np.uint8)
    return graycoprops(graycomatrix(bins, [1], [0], levels=levels), "contrast")[0, 0]
