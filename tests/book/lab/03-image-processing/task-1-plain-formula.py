# %% task-1
def muscle_grey(image, row, column, air):
    def equalise(grey):
        cumulative = np.bincount(grey.ravel(), minlength=256).cumsum()
        return np.round(255 * cumulative / grey.size)[grey]

    padded = np.pad(image, air)
    return equalise(image)[row, column], equalise(padded)[row + air, column + air]
